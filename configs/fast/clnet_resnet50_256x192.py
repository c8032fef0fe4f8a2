# CLNet-ResNet-50 trained faster, an example of how any config here inherits ../_base_/fast.py.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_coco_256x192.py',
    '../_base_/fast.py',
]

model = dict(head=dict(decoder=_base_.codec))
