# Cluster-2 of Table 1: 17 clusters of one joint and one of all, no aggregation.
_base_ = ['../_base_/schedule_cluster.py', '../_base_/cluster_coco_512x512.py']

model = dict(backbone=dict(in_branch=False, cross_branch=False))
