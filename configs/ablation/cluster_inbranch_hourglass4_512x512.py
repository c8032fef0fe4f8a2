# In-branch of Table 1: Cluster-2 with in-branch aggregation only.
_base_ = ['../cluster_hourglass4_512x512.py']

model = dict(backbone=dict(cross_branch=False))
