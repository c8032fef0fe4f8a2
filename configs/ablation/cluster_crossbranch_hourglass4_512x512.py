# Cross-branch of Table 1: Cluster-2 with cross-branch aggregation only.
_base_ = ['../_base_/schedule_cluster.py', '../_base_/cluster_coco_512x512.py']

model = dict(backbone=dict(in_branch=False))
