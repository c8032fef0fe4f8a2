# CLNet-ResNet-50 trained faster: an example of how any config here takes ../_base_/fast.py.
_base_ = ['../clnet_resnet50_256x192.py', '../_base_/fast.py']
