# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .plugin_resnet import PluginResNet

__all__ = ['PluginResNet']
