# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""ResNet with different output strides in training and testing (StrongPose)."""

from __future__ import annotations

from typing import Any

from mmpose.models.backbones import ResNet
from mmpose.registry import MODELS
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


@MODELS.register_module()
class DilatedResNet(ResNet):
    """mmpose's ResNet with dilation in place of strides (StrongPose, Section IV-B).

    "Our ResNet CNN backbone network uses an output stride of 16 during training and reduces to 8
    during evaluation using atrous convolution". Once the output stride is reached, all later
    strides become 1, and each of them doubles the dilation of every 3x3 convolution after it. The
    values at the strided network's positions stay the same. The weights are those of mmpose's
    ``ResNet``, so ImageNet weights load unchanged. ``train()`` and ``eval()`` switch the dilation
    rates.

    With an input of 16 n + 1 pixels per side (401 = 16 * 25 + 1), the maps have n + 1 cells per
    side (26) in training and 2 n + 1 (51) in testing. Their corner cells lie on the input's corner
    pixels.

    "We make model predictions during training using the feature activation from a layer in the
    middle of the network": with ``intermediate`` the network also returns the activation halfway
    through the third stage, after 12 of ResNet-101's 23 blocks or 18 of ResNet-152's 36.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        train_stride (int): Output stride in training: 4, 8, 16 or 32. Defaults to 16.
        test_stride (int): Output stride in testing. Defaults to 8.
        intermediate (bool): Whether to return the activation in the middle too. Defaults to True.
        norm_eval (bool): Whether the normalization uses its stored statistics in training and keeps
            them fixed ("we fix the ResNet activation statistics to ImageNet values"). Its weights
            are trained. Defaults to True; set it to False to train from scratch.
        **kwargs: See mmpose's ``ResNet``. ``strides``, ``dilations``, ``out_indices`` and
            ``avg_down`` are not accepted.

    Raises:
        ValueError: If a stride or an argument is not accepted.
    """

    def __init__(
        self,
        depth: int,
        train_stride: int = 16,
        test_stride: int = 8,
        intermediate: bool = True,
        norm_eval: bool = True,
        **kwargs: Any,
    ) -> None:
        refused = {'strides', 'dilations', 'out_indices', 'avg_down'} & set(kwargs)
        if refused:
            raise ValueError(
                f'DilatedResNet does not take {sorted(refused)}: train_stride and test_stride set '
                'the strides and dilations.'
            )
        for name, value in (('train_stride', train_stride), ('test_stride', test_stride)):
            if value not in STRIDES:
                raise ValueError(f'DilatedResNet: {name} must be one of {STRIDES}, got {value}.')
        num_stages = kwargs.pop('num_stages', 4)
        super().__init__(
            depth,
            num_stages=num_stages,
            strides=(1, 2, 2, 2)[:num_stages],
            dilations=(1,) * num_stages,
            out_indices=(num_stages - 1,),
            norm_eval=norm_eval,
            **kwargs,
        )
        self.train_stride = train_stride
        self.test_stride = test_stride
        self.intermediate = intermediate
        middle_stage = min(2, num_stages - 1)
        self.middle = (middle_stage, (self.stage_blocks[middle_stage] + 1) // 2 - 1)
        self._convs = _residual_convs(self)
        self._set_stride(train_stride)

    def train(self, mode: bool = True) -> DilatedResNet:
        """Switch the mode and the output stride.

        Args:
            mode (bool): Training (True) or testing. Defaults to True.

        Returns:
            DilatedResNet: ``self``, as for all modules of torch.
        """
        super().train(mode)
        self._set_stride(self.train_stride if mode else self.test_stride)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the middle activation, if ``intermediate`` is set, and the last feature map.

        Args:
            x (Tensor): (B, 3, H, W) images.

        Returns:
            tuple[Tensor]: (B, C, h, w) each, the last one last.
        """
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        x = self.maxpool(x)
        outs = []
        for stage, name in enumerate(self.res_layers):
            for number, block in enumerate(getattr(self, name)):
                x = block(x)
                if self.intermediate and (stage, number) == self.middle:
                    outs.append(x)
        return (*outs, x)

    def _set_stride(self, output_stride: int) -> None:
        """Set the strides, dilations and paddings of all blocks for an output stride."""
        stride, rate = 4, 1
        for convs, shortcut in self._convs:
            before = stride
            for conv, own_stride in convs:
                if conv.kernel_size[0] > 1:
                    conv.dilation = (rate, rate)
                    conv.padding = (rate * (conv.kernel_size[0] // 2),) * 2
                if stride * own_stride <= output_stride:
                    stride *= own_stride
                    conv.stride = (own_stride, own_stride)
                else:
                    rate *= own_stride
                    conv.stride = (1, 1)
            if shortcut is not None:
                shortcut.stride = (stride // before,) * 2


def _residual_convs(
    network: ResNet,
) -> list[tuple[list[tuple[nn.Conv2d, int]], nn.Conv2d | None]]:
    """Return each block's convolutions in order and its shortcut's, with their own strides."""
    found = []
    for name in network.res_layers:
        for block in getattr(network, name):
            convs = [getattr(block, f'conv{n}') for n in (1, 2, 3) if hasattr(block, f'conv{n}')]
            shortcut = None if block.downsample is None else block.downsample[0]
            found.append(([(conv, conv.stride[0]) for conv in convs], shortcut))
    return found
