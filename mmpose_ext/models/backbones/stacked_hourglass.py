# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Stacked hourglass of bottlenecks whose last stack stops at a coarser resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.models.backbones.base_backbone import BaseBackbone
from mmpose.models.backbones.resnet import Bottleneck, ResLayer
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmpose_ext.models.layers.conv_unit import BATCH_NORM, ConvUnit, convolutions

STEM_STRIDE = 4


def residual(
    in_channels: int, channels: int, blocks: int = 1, norm_cfg: dict | None = BATCH_NORM
) -> ResLayer:
    """Build Newell's residual module: 1x1 to half of the channels, 3x3, 1x1."""
    return ResLayer(Bottleneck, blocks, in_channels, channels, expansion=2, norm_cfg=norm_cfg)


#: Modules for the positions of an hourglass, by name.
BLOCKS = dict(residual=residual, conv=convolutions)


def hourglass_stem(
    channels: int, width: int = 64, norm_cfg: dict | None = BATCH_NORM, block: str = 'residual'
) -> nn.Sequential:
    """Build Newell's stem: (B, 3, H, W) to ``width``, then to (B, channels, H / 4, W / 4)."""
    make = BLOCKS[block]
    return nn.Sequential(
        ConvUnit(3, width, 7, stride=2, padding=3, norm_cfg=norm_cfg),
        make(width, 2 * width, norm_cfg=norm_cfg),
        nn.MaxPool2d(2),
        make(2 * width, 2 * width, norm_cfg=norm_cfg),
        make(2 * width, channels, norm_cfg=norm_cfg),
    )


class Hourglass(BaseModule):
    """One hourglass, which pools and up-samples ``depth`` times (Newell et al., ECCV 2016, Fig. 3).

    Args:
        depth (int): Number of times that the resolution is halved.
        channels (int): Channels of all its maps.
        blocks (int): Number of modules at each position. Defaults to 1.
        left_out (int): Number of up-sampling steps left out at the end, with their skip branches.
            The output is 2 ** left_out times smaller than the input. Defaults to 0.
        growth (int): Channels added at each halved resolution; 128 in associative embedding's
            hourglass. If steps are left out, the output has the channels of its resolution.
            Defaults to 0.
        norm_cfg (dict, optional): Config of the normalization. Defaults to batch normalization.
        block (str): Kind of module: ``'residual'`` (Newell et al., ECCV 2016) or ``'conv'``, 3x3
            convolutions with ReLU (the public training code of associative embedding). Defaults to
            ``'residual'``.
    """

    def __init__(
        self,
        depth: int,
        channels: int,
        blocks: int = 1,
        left_out: int = 0,
        growth: int = 0,
        norm_cfg: dict | None = BATCH_NORM,
        block: str = 'residual',
    ) -> None:
        super().__init__()
        low = channels + growth
        make = BLOCKS[block]
        self.pool = nn.MaxPool2d(2)
        self.low1 = make(channels, low, blocks, norm_cfg)
        if depth > 1:
            self.low2 = Hourglass(
                depth - 1, low, blocks, max(left_out - 1, 0), growth, norm_cfg, block
            )
        else:
            self.low2 = make(low, low, blocks, norm_cfg)
        self.complete = left_out == 0
        if self.complete:
            self.skip = make(channels, channels, blocks, norm_cfg)
            self.low3 = make(low, channels, blocks, norm_cfg)
            self.up = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, h, w), or to a smaller size with ``left_out``."""
        low = self.low2(self.low1(self.pool(x)))
        if not self.complete:
            return low
        return self.skip(x) + self.up(self.low3(low))


@MODELS.register_module()
class StackedHourglass(BaseBackbone):
    """Stacked hourglass with an output at every stack, the last one at ``out_stride``.

    Composite localization, Section 3.2 and Figure 2(b): the hourglasses of Newell et al. with
    some up-sampling layers of the final stage removed. All other stacks give maps at stride 4,
    which the next stack needs, and the head brings them to its own stride.

    mmpose's HourglassNet is CornerNet's variant (basic blocks, wider with depth), and eight of them
    cost several times the figure in the paper. This class uses Newell's bottlenecks. It sums a
    stack's input and its re-mapped output as Newell does, but without the predictions, which have
    another stride.

    Args:
        num_stacks (int): Number of hourglasses. Defaults to 8.
        depth (int): Number of times that each halves the resolution. Defaults to 4.
        channels (int): Channels of all maps from stride 4 on. Defaults to 256.
        blocks (int): Residual modules at each position in the hourglasses. Defaults to 1.
        out_stride (int): Stride of the last stack's output: 4, 8, 16, ... Defaults to 16.
        with_cp (bool): Whether training keeps only each stack's input and recomputes the stack in
            the backward pass (activation checkpointing). A step takes 1.33 times as long (eight
            stacks on a CPU). The running statistics of batch normalization are then updated twice
            per step, with the same values. Defaults to False.
        init_cfg (dict | list[dict], optional): Config of the initialization. Defaults to Kaiming's
            normal initialization by fan-in.

    Raises:
        ValueError: If the hourglasses do not reach ``out_stride``.
    """

    def __init__(
        self,
        num_stacks: int = 8,
        depth: int = 4,
        channels: int = 256,
        blocks: int = 1,
        out_stride: int = 16,
        with_cp: bool = False,
        init_cfg: dict | Sequence[dict] | None = (
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            dict(type='Constant', layer='BatchNorm2d', val=1),
        ),
    ) -> None:
        super().__init__(list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg)
        left_out = math.log2(out_stride / STEM_STRIDE)
        if left_out not in range(depth):
            allowed = [STEM_STRIDE * 2**i for i in range(depth)]
            raise ValueError(
                f'StackedHourglass: out_stride must be one of {allowed} with depth {depth}, got '
                f'{out_stride}.'
            )
        self.divisor = STEM_STRIDE * 2**depth
        norm_cfg = dict(type='BN')
        self.stem = hourglass_stem(channels)
        last = num_stacks - 1
        self.hourglasses = nn.ModuleList(
            Hourglass(depth, channels, blocks, int(left_out) if i == last else 0)
            for i in range(num_stacks)
        )
        self.outs = nn.ModuleList(residual(channels, channels) for _ in range(num_stacks))
        self.remaps = nn.ModuleList(
            ConvModule(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None) for _ in range(last)
        )
        self.inters = nn.ModuleList(residual(channels, channels) for _ in range(last))
        self.relu = nn.ReLU(inplace=True)
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return each stack's map (B, C, H / 4, W / 4), for the last stack (B, C, H / s, W / s).

        Raises:
            ValueError: If the input's size is not divisible by 4 * 2 ** depth.
        """
        if any(size % self.divisor for size in x.shape[-2:]):
            raise ValueError(
                f'StackedHourglass: the input is {x.shape[-1]}x{x.shape[-2]}; both must be '
                f'divisible by {self.divisor}.'
            )
        x = self.stem(x)
        outputs = []
        for i in range(len(self.hourglasses)):
            if self.with_cp and x.requires_grad:
                outputs.append(checkpoint(self._stack, i, x, use_reentrant=False))
            else:
                outputs.append(self._stack(i, x))
            if i < len(self.inters):
                x = self.inters[i](self.relu(x + self.remaps[i](outputs[-1])))
        return tuple(outputs)

    def _stack(self, index: int, x: Tensor) -> Tensor:
        """Map a stack's input to the features for its predictions."""
        return self.outs[index](self.hourglasses[index](x))
