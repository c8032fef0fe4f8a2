# Cluster-2 of Table 1: 17 clusters of one joint beside one of all, no aggregation.
_base_ = ['../cluster_hourglass4_512x512.py']

model = dict(backbone=dict(in_branch=False, cross_branch=False))
