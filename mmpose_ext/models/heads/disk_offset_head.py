# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""StrongPose's head: disk heatmaps, a body heatmap and three kinds of offsets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.utils.typing import ConfigType, InstanceList, OptConfigType, OptSampleList
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mmpose_ext.models.layers.offset_refinement import refine_offsets
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

NAMES = ('heatmaps', 'body_heatmaps', 'short_offsets', 'mid_offsets', 'long_offsets')


@MODELS.register_module()
class DiskOffsetHead(BaseHead):
    """Predict all maps of StrongPose by 1x1 convolutions on the last feature map (Section III).

    In training the maps are resized to the size of the targets (bilinear, corners aligned; in the
    paper the size of the input), and the short offsets refine the mid and long offsets. In testing
    the maps stay at the network's resolution; the codec interpolates between the cells, and refines
    only the offsets that it reads. If the input's size differs from the codec's
    (``BottomupResize(input_size=...)``), the head converts the maps to the codec's frame and the
    keypoints back.

    With ``intermediate_channels``, a second set of convolutions predicts the same maps from the
    first feature map in training, with its own losses (Section IV-B). Testing does not use it.

    Args:
        in_channels (int): Channels of the last feature map.
        intermediate_channels (int, optional): Channels of the first feature map. Defaults to None:
            no intermediate supervision.
        intermediate_weight (float): Factor of the intermediate losses. Defaults to 1.
        offset_unit (float): Offset in input pixels for an output of 1. Defaults to 1; larger units
            learn faster from scratch.
        heatmap_prior (float): Probability in all heatmaps at initialization. Defaults to 0.01.
        refine_steps (int, optional): Not needed: the decoder's ``refine_steps`` counts in training
            and in decoding. If it is given, it must be the same.
        loss (dict): Config of the loss. Defaults to dict(type='DiskOffsetLoss').
        decoder (dict, optional): Config of a :class:`mmpose_ext.codecs.DiskOffset`.
        init_cfg (dict, optional): Config of the initialization.

    Raises:
        ValueError: If there is no decoder, or ``refine_steps`` is not the decoder's.
    """

    #: Frame of the maps: the input's corner pixels lie on the corner cells.
    align_corners = True
    default_init_cfg = dict(type='Normal', layer='Conv2d', std=0.01)

    def __init__(
        self,
        in_channels: int,
        intermediate_channels: int | None = None,
        intermediate_weight: float = 1.0,
        offset_unit: float = 1.0,
        heatmap_prior: float = 0.01,
        refine_steps: int | None = None,
        loss: ConfigType = dict(type='DiskOffsetLoss'),
        decoder: OptConfigType = None,
        init_cfg: OptConfigType = None,
    ) -> None:
        super().__init__(self.default_init_cfg if init_cfg is None else init_cfg)
        if decoder is None:
            raise ValueError(
                'DiskOffsetHead: set decoder to the DiskOffset codec of the training pipeline; it '
                'knows the edges, draws the targets and decodes the maps.'
            )
        self.decoder = KEYPOINT_CODECS.build(decoder)
        steps = self.decoder.settings.refine_steps
        if refine_steps not in (None, steps):
            raise ValueError(
                f'DiskOffsetHead: refine_steps={refine_steps}, but the decoder refines {steps} '
                f'times. Set refine_steps={refine_steps} in the codec instead; the head reads it '
                'there.'
            )
        self.loss_module = MODELS.build(loss)
        self.intermediate_weight = intermediate_weight
        self.offset_unit = offset_unit
        self.heatmap_prior = heatmap_prior
        num_keypoints = self.decoder.num_keypoints
        ends = [end for _, end in self.decoder.directed_edges]
        self.channels = (num_keypoints, 1, 2 * num_keypoints, 2 * len(ends), 2 * num_keypoints)
        self.final_layer = nn.Conv2d(in_channels, sum(self.channels), 1)
        self.intermediate_layer = (
            nn.Conv2d(intermediate_channels, sum(self.channels), 1)
            if intermediate_channels
            else None
        )
        self.register_buffer('edge_ends', torch.tensor(ends), persistent=False)
        self.register_buffer('keypoint_ends', torch.arange(num_keypoints), persistent=False)

    def init_weights(self) -> None:
        """Initialize the weights, and the heatmaps' biases to ``heatmap_prior``."""
        super().init_weights()
        for layer in (self.final_layer, self.intermediate_layer):
            if layer is not None:
                prior = -math.log(1 / self.heatmap_prior - 1)
                nn.init.constant_(layer.bias[: self.decoder.num_keypoints], prior)

    def forward(self, feats: Sequence[Tensor]) -> Maps:
        """Predict from the last feature map.

        Args:
            feats (Sequence[Tensor]): (B, C, h, w) each.

        Returns:
            dict[str, Tensor]: Logits ``heatmaps`` (B, K, h, w) and ``body_heatmaps`` (B, 1, h, w);
            ``short_offsets`` (B, 2K, h, w), ``mid_offsets`` (B, 2D, h, w) and ``long_offsets``
            (B, 2K, h, w) in input pixels, not refined.
        """
        return self._named(self.final_layer(feats[-1]))

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: OptSampleList,
        train_cfg: ConfigType = {},
    ) -> Maps:
        """Compute the losses, with those of the intermediate maps under ``intermediate.``.

        Args:
            feats (Sequence[Tensor]): The backbone's features; the first one is for the intermediate
                supervision.
            batch_data_samples (list[PoseDataSample]): B samples with either targets or points to
                draw.
            train_cfg (dict): Unused. Defaults to {}.

        Returns:
            dict[str, Tensor]: Scalars.
        """
        targets = self.decoder.targets(batch_data_samples, feats[-1].device)
        losses = self._loss(_convolve(self.final_layer, feats[-1]), targets)
        if self.intermediate_layer is not None:
            if len(feats) < 2:
                raise ValueError(
                    'DiskOffsetHead: intermediate_channels is set but the backbone gives one '
                    'feature map. Set intermediate=True in DilatedResNet.'
                )
            extra = self._loss(_convolve(self.intermediate_layer, feats[0]), targets)
            for name, value in extra.items():
                losses[f'intermediate.{name}'] = self.intermediate_weight * value
        return losses

    def predict_maps(
        self, feats: Sequence[Tensor], input_size: Sequence[int] | None = None
    ) -> Maps:
        """Return the maps that the codec decodes: probabilities, and offsets in the codec's frame.

        Args:
            feats (Sequence[Tensor]): The backbone's features.
            input_size (Sequence[int], optional): [w, h] of the input. Defaults to the codec's.

        Returns:
            dict[str, Tensor]: As :meth:`forward`, but with probabilities, and with offsets in
            pixels of the codec's input, corner to corner, whatever the size of this input.
        """
        maps = self.forward(feats)
        for name in NAMES[:2]:
            maps[name] = maps[name].sigmoid()
        if input_size is not None:
            x, y = self._ratios(input_size)
            for name in NAMES[2:]:
                offsets = maps[name]
                pairs = torch.stack([offsets[:, 0::2] * x, offsets[:, 1::2] * y], 2)
                maps[name] = pairs.flatten(1, 2)
        return maps

    def predict(
        self,
        feats: Sequence,
        batch_data_samples: OptSampleList,
        test_cfg: ConfigType = {},
    ) -> InstanceList | tuple[InstanceList, list[PixelData]]:
        """Predict people in a batch on the model's device; only coordinates leave it.

        Args:
            feats (Sequence): The backbone's features. With ``test_cfg.flip_test``, a list of the
                features of the input and of its mirror image. With ``test_cfg.input_sizes``, a list
                with one such entry per scale.
            batch_data_samples (list[PoseDataSample]): B samples; their ``flip_indices`` and
                ``input_size`` are used.
            test_cfg (dict): ``flip_test``, ``output_heatmaps`` and ``input_sizes``, the [w, h] of
                each scale's input (see
                :class:`mmpose_ext.models.pose_estimators.MultiScaleBottomupEstimator`), are used.
                Defaults to {}.

        Returns:
            list[InstanceData]: keypoints (N, K, 2) in pixels of the (unscaled) input,
            keypoint_scores (N, K) and bbox_scores (N,), the people's scores, by which CocoMetric
            ranks them. With ``output_heatmaps`` also a list of PixelData with ``heatmaps`` (K + 1,
            h, w), the body heatmap last.
        """
        metainfo = batch_data_samples[0].metainfo
        input_size = tuple(metainfo.get('input_size', self.decoder.input_size))
        sizes = test_cfg.get('input_sizes')
        scales, sizes = ([feats], [input_size]) if sizes is None else (feats, sizes)
        each = []
        for scale, size in zip_equal(scales, sizes):
            size = None if tuple(size) == self.decoder.input_size else size
            if test_cfg.get('flip_test', False):
                original, mirrored = (self.predict_maps(value, size) for value in scale)
                indices = metainfo['flip_indices']
                each.append(self.decoder.merge_flipped(original, mirrored, indices))
            else:
                each.append(self.predict_maps(scale, size))
        maps = each[0] if len(each) == 1 else merge_scales(each, self.decoder.directed_edges)
        preds = self.decode(maps)
        for pred in preds:
            for axis, ratio in enumerate(self._ratios(input_size)):
                if ratio != 1:
                    pred.keypoints[..., axis] /= ratio
        if not test_cfg.get('output_heatmaps', False):
            return preds
        fields = torch.cat([maps['heatmaps'], maps['body_heatmaps']], 1).detach()
        return preds, [PixelData(heatmaps=field) for field in fields]

    def decode(self, batch_outputs: Maps) -> InstanceList:
        """Decode maps (probabilities and offsets) to people in the codec's input frame."""
        return [
            InstanceData(keypoints=keypoints, keypoint_scores=scores, bbox_scores=people)
            for keypoints, scores, people in zip_equal(*self.decoder.batch_decode(batch_outputs))
        ]

    def _loss(self, raw: Tensor, targets: Maps) -> Maps:
        size = targets['heatmaps'].shape[-2:]
        if raw.shape[-2:] != size:
            raw = interpolate(raw, size, mode='bilinear', align_corners=True)
        maps = self._named(raw)
        return self.loss_module(maps, self._refined(maps), targets, self.decoder.radius)

    def _named(self, raw: Tensor) -> Maps:
        maps = dict(zip_equal(NAMES, raw.split(self.channels, 1)))
        if self.offset_unit != 1:
            for name in NAMES[2:]:
                maps[name] = maps[name] * self.offset_unit
        return maps

    def _ratios(self, size: Sequence[int]) -> list[float]:
        """Return the codec's input size divided by [w, h], for x and y, corner to corner."""
        return [
            (own - 1) / (pixels - 1) for own, pixels in zip_equal(self.decoder.input_size, size)
        ]

    def _refined(self, maps: Maps) -> Maps:
        """Refine the mid and long offsets by the short ones of the keypoint that they point to."""
        ends = dict(mid_offsets=self.edge_ends, long_offsets=self.keypoint_ends)
        size, steps = self.decoder.input_size, self.decoder.settings.refine_steps
        return {
            name: refine_offsets(maps[name], maps['short_offsets'], end, size, steps)
            for name, end in ends.items()
        }


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a layer to features that may be bfloat16 (fast training)."""
    return layer(x.to(layer.weight.dtype))


def merge_scales(scales: Sequence[Maps], edges: Sequence[tuple[int, int]]) -> Maps:
    """Average the maps of several scales of an input at the largest scale's resolution.

    The papers mention multi-scale testing, but not how to merge the scales. Here heatmaps are
    averaged. Offsets are averaged with the heatmap of the keypoint where they start as the weight,
    because a scale that does not detect a keypoint has no meaningful offsets from it.

    Args:
        scales (Sequence[dict[str, Tensor]]): (B, C, h, w) each, heatmaps as probabilities, offsets
            in pixels of one frame, whatever the scale.
        edges (Sequence[tuple[int, int]]): D directed edges (start, end).

    Returns:
        dict[str, Tensor]: Maps of the largest scale's size.
    """
    size = max((maps['heatmaps'].shape[-2:] for maps in scales), key=math.prod)
    resized = [
        {
            name: interpolate(value, size, mode='bilinear', align_corners=True)
            for name, value in maps.items()
        }
        for maps in scales
    ]
    merged = {name: sum(maps[name] for maps in resized) / len(scales) for name in NAMES[:2]}
    starts = torch.tensor([start for start, _ in edges], device=merged['heatmaps'].device)
    for name in NAMES[2:]:
        weights = []
        for maps in resized:
            weight = maps['body_heatmaps' if name == 'long_offsets' else 'heatmaps'] + 1e-6
            if name == 'mid_offsets':
                weight = weight.index_select(1, starts)
            if name == 'long_offsets':
                weight = weight.expand(-1, maps['heatmaps'].shape[1], -1, -1)
            weights.append(weight.repeat_interleave(2, 1))
        total = sum(w * maps[name] for w, maps in zip_equal(weights, resized))
        merged[name] = total / sum(weights)
    return merged
