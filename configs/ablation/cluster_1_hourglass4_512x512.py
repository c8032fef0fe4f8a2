# Cluster-1 of Table 1: clusters that get smaller from stack to stack, no aggregation.
_base_ = ['../_base_/schedule_cluster.py', '../_base_/cluster_coco_512x512.py']

sparse_clusters = (5, 5, 5, 17)
dense_clusters = (1, 1, 1, 3)
model = dict(
    backbone=dict(
        sparse_clusters=sparse_clusters,
        dense_clusters=dense_clusters,
        in_branch=False,
        cross_branch=False,
    ),
    head=dict(sparse_clusters=sparse_clusters, dense_clusters=dense_clusters),
)
