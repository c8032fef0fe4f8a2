# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The maps that each kind of head decodes, as plain tensor code that can be traced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpose.models.heads import HeatmapHead
from torch import nn

from mmpose_ext.models.heads import ClusterTagHead, DiskOffsetHead, FullResolutionHead
from mmpose_ext.models.heads.composite_localization_head import BaseCompositeLocalizationHead
from mmpose_ext.models.layers.offset_refinement import refine_offsets
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal


def head_maps(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    """Give what the head's codec decodes, for inputs of any size that the network takes.

    Args:
        head (nn.Module): A head of this package, or mmpose's HeatmapHead.
        feats (Sequence): The features that it takes.
        size (tuple[int, int]): The input's [w, h] in pixels, traced.

    Returns:
        dict[str, Tensor]: (B, C, h, w) each, in the order of the codec's ``decoded_names``;
        heatmaps as probabilities, StrongPose's offsets refined and in pixels of the codec's
        input (``input_size``), whatever this input's size.

    Raises:
        ValueError: If the head is of another kind.
    """
    for kind, function in KINDS:
        if isinstance(head, kind):
            return function(head, feats, size)
    raise ValueError(
        f'the head {type(head).__name__} cannot be exported; those that can be are '
        f'{", ".join(kind.__name__ for kind, _ in KINDS)} and what inherits from them'
    )


def _composite_localization(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    heatmaps, offsets = head.forward(feats)[-1]
    if head.loss_module.from_logits:
        heatmaps = heatmaps.sigmoid()
    return dict(heatmaps=heatmaps, offsets=offsets)


def _full_resolution(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    """As the head's forward, but cut to this input's size instead of the codec's."""
    x = feats[-1]
    for decoder, index in zip_equal(head.decoders, head.lateral_indices):
        x = decoder(x, None if index is None else feats[index])
    w, h = size
    return dict(heatmaps=head.final_layer(x[..., :h, :w]))


def _disk_offset(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    """As the head's predict for one scale: offsets in pixels of the codec's input, refined."""
    maps = head.forward(feats)
    for name in ('heatmaps', 'body_heatmaps'):
        maps[name] = maps[name].sigmoid()
    width, height = head.decoder.input_size
    factors = ((width - 1) / (size[0] - 1), (height - 1) / (size[1] - 1))
    for name in ('short_offsets', 'mid_offsets', 'long_offsets'):
        x, y = maps[name][:, 0::2] * factors[0], maps[name][:, 1::2] * factors[1]
        maps[name] = torch.stack([x, y], 2).flatten(1, 2)
    for name, ends in (('mid_offsets', head.edge_ends), ('long_offsets', head.keypoint_ends)):
        maps[name] = refine_offsets(
            maps[name], maps['short_offsets'], ends, (width, height), head.refine_steps
        )
    return maps


def _cluster_tag(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    return dict(zip_equal(('heatmaps', 'tags'), head.forward(feats)))


def _heatmap(head: nn.Module, feats: Sequence, size: tuple[int, int]) -> Maps:
    return dict(heatmaps=head.forward(feats))


KINDS = (
    (BaseCompositeLocalizationHead, _composite_localization),
    (FullResolutionHead, _full_resolution),
    (DiskOffsetHead, _disk_offset),
    (ClusterTagHead, _cluster_tag),
    (HeatmapHead, _heatmap),
)
