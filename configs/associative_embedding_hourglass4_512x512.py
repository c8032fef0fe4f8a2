# Plain associative embedding, the paper's baseline: one branch of 17 clusters of one joint, and the
# loss of its public training code, 0.5 exp(-d^2) between people. The paper's figures come from
# several scales; associative_embedding_hourglass4_multiscale_512x512.py tests like that.
_base_ = ['./_base_/schedule_cluster.py', './_base_/cluster_coco_512x512.py']

margin = 0.5**0.5
codec = dict(_base_.codec, tag_threshold=1.0)  # from its public code
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
dense_clusters = None
model = dict(
    backbone=dict(dense_clusters=None, in_branch=False, cross_branch=False),
    head=dict(decoder=codec, dense_clusters=None, loss=dict(margin=margin, push_weight=0.5)),
)
