# The metadata of an image that bottom-up testing needs. It lacks category_id, because CocoMetric
# expects a single number there.

shared_meta_keys = (
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
)
pack_inputs = dict(type='PackPoseInputs', meta_keys=(*shared_meta_keys, 'dataset_name'))
