# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""DetNet's bottlenecks, the parts of CLNet-ResNet's head."""

from mmcv.cnn import ConvModule
from mmpose.models.backbones.resnet import Bottleneck


def dilated_bottleneck(
    in_channels: int,
    channels: int,
    mid_channels: int,
    dilation: int = 2,
    project: bool = False,
    norm_cfg: dict = dict(type='BN'),
) -> Bottleneck:
    """Build DetNet's dilated bottleneck, which keeps the size (Li et al., ECCV 2018, Figure 2).

    It has a 1x1 convolution to ``mid_channels``, a 3x3 convolution with dilation and a 1x1
    convolution to ``channels``, each with normalization. The result is added to the input (DetNet's
    A) or to its 1x1 projection (DetNet's B).

    Args:
        in_channels (int): Channels of the input (B, in_channels, h, w).
        channels (int): Channels of the output (B, channels, h, w), a multiple of ``mid_channels``.
        mid_channels (int): Channels of the 3x3 convolution.
        dilation (int): 2 for the dilated bottleneck, 1 for the plain one. Defaults to 2.
        project (bool): Whether to project the input; it is always projected if the channels change.
            Defaults to False.
        norm_cfg (dict): Config of the normalization. Defaults to batch normalization.

    Returns:
        Bottleneck: mmpose's residual block.

    Raises:
        ValueError: If ``channels`` is not a multiple of ``mid_channels``.
    """
    if channels % mid_channels:
        raise ValueError(
            f'channels ({channels}) must be a multiple of mid_channels ({mid_channels}).'
        )
    projection = None
    if project or in_channels != channels:
        projection = ConvModule(in_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
    return Bottleneck(
        in_channels,
        channels,
        expansion=channels // mid_channels,
        dilation=dilation,
        downsample=projection,
        norm_cfg=norm_cfg,
    )
