# StrongPose on ResNet-101, Tables I to III.
_base_ = ['./_base_/strongpose_401x401.py']
