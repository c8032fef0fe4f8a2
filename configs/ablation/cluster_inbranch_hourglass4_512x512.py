# In-branch of Table 1: Cluster-2 with in-branch aggregation only.
_base_ = ['../_base_/schedule_cluster.py', '../_base_/cluster_coco_512x512.py']

model = dict(backbone=dict(cross_branch=False))
