# Tests associative embedding at scales 2, 1 and 0.5 of the trained 512, as in the paper's Table 1:
#   mim test mmpose THIS --checkpoint work_dirs/associative_embedding_hourglass4_512x512/epoch_200.pth
# The largest scale is the input, so that it has the image's own detail. The tags come from the
# trained scale, upright and mirrored, as in the public code. Without tag_scales, the tags of all
# scales count.
_base_ = ['./_base_/schedule_cluster.py', './_base_/cluster_coco_512x512.py']

margin = 0.5**0.5
codec = dict(_base_.codec, tag_threshold=1.0)  # from its public code
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
load, resize, pack = _base_.val_pipeline
val_pipeline = [load, dict(resize, input_size=(1024, 1024)), pack]
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
dense_clusters = None
model = dict(
    backbone=dict(dense_clusters=None, in_branch=False, cross_branch=False),
    head=dict(decoder=codec, dense_clusters=None, loss=dict(margin=margin, push_weight=0.5)),
    test_cfg=dict(flip_test=True, scales=(1.0, 0.5, 0.25), tag_scales=(0.5,)),
)
