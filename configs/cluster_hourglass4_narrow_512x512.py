# The same network on the hourglass of Newell et al. (ECCV 2016), with residual modules of 256
# channels throughout and batch normalization. It has an eighth of the parameters, and is not a row
# of the paper.
_base_ = ['./_base_/schedule_cluster.py', './_base_/cluster_coco_512x512.py']

model = dict(backbone=dict(growth=0, block='residual', norm_cfg=dict(_delete_=True, type='BN')))
