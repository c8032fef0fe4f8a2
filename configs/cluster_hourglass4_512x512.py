# Cluster-wise network with in- and cross-branch aggregation: the last row of Table 1.
_base_ = ['./_base_/schedule_cluster.py', './_base_/cluster_coco_512x512.py']
