# Plain associative embedding, the paper's baseline: one branch of 17 clusters of one joint, and the
# loss of its public training code, 0.5 exp(-d^2) between people.
_base_ = ['./cluster_hourglass4_512x512.py']

dense_clusters = None
model = dict(
    backbone=dict(dense_clusters=None, in_branch=False, cross_branch=False),
    head=dict(dense_clusters=None, loss=dict(margin=0.5**0.5, push_weight=0.5)),
)
