# What StrongPose's testing takes along with an image.
pack_inputs = dict(
    type='PackPoseInputs',
    # without category_id, which CocoMetric takes for one number
    meta_keys=(
        'id',
        'img_id',
        'img_path',
        'crowd_index',
        'ori_shape',
        'img_shape',
        'input_size',
        'input_center',
        'input_scale',
        'flip',
        'flip_direction',
        'flip_indices',
        'raw_ann_info',
        'dataset_name',
    ),
)
