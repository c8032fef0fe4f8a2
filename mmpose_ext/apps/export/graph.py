# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The module to trace: preprocessing, network, maps and optionally decoding."""

from __future__ import annotations

from typing import Any

import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.models.heads import AssociativeEmbeddingHead, HeatmapHead
from torch import Tensor, nn

from mmpose_ext.codecs import CompositeLocalization, FullResolutionHeatmap
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.ranges import require_one_of

from .heatmap_decoding import decode_heatmaps

#: Kinds of input: images as OpenCV reads them, (B, H, W, 3), or the network's own input. The first
#: is the default.
INPUT_KINDS = ('uint8', 'float32', 'normalized')


class ExportGraph(nn.Module):
    """A pose estimator as one function of images.

    Args:
        model (nn.Module): mmpose's TopdownPoseEstimator or BottomupPoseEstimator, in eval mode.
        input_kind (str): ``'uint8'`` or ``'float32'``: (B, H, W, 3) images, 0 to 255, BGR as OpenCV
            reads them; the graph swaps channels and normalizes as the model's data preprocessor
            does. ``'normalized'``: (B, 3, H, W) float32, already normalized. Defaults to
            ``'uint8'``.
        decode (bool): Whether to output keypoints instead of maps. Defaults to False.

    Raises:
        ValueError: If the settings do not fit the model.
    """

    def __init__(
        self, model: nn.Module, input_kind: str = INPUT_KINDS[0], decode: bool = False
    ) -> None:
        super().__init__()
        require_one_of(INPUT_KINDS, input_kind=input_kind)
        self.model = model
        is_known = isinstance(model.head, HeatmapHead) or hasattr(model.head, 'predict_maps')
        if not is_known or isinstance(model.head, AssociativeEmbeddingHead):
            raise ValueError(
                f'the head {type(model.head).__name__} cannot be exported. You can export '
                "mmpose's HeatmapHead and heads with a method predict_maps, such as this package's"
            )
        self.codec = model.head.decoder
        self.input_kind = input_kind
        self.decode = decode
        if decode:
            require_decodable(self.codec)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps in the order of their names, or keypoints (B, K, 2) and scores (B, K)."""
        maps = self.maps(images)
        return decode_maps(self.codec, maps) if self.decode else tuple(maps.values())

    def maps(self, images: Tensor) -> Maps:
        """Return the maps (B, C, h, w) by name."""
        x = self._normalized(images)
        feats = self.model.backbone(x)
        if self.model.with_neck:
            feats = self.model.neck(feats)
        head = self.model.head
        if isinstance(head, HeatmapHead):  # mmpose's head decodes its output directly
            return dict(heatmaps=head.forward(feats))
        return head.predict_maps(feats, (x.shape[-1], x.shape[-2]))

    def _normalized(self, images: Tensor) -> Tensor:
        dtype = next(self.model.parameters()).dtype
        if self.input_kind == 'normalized':
            return images.to(dtype)
        x = images.permute(0, 3, 1, 2).to(dtype)
        preprocessor = self.model.data_preprocessor
        if preprocessor._channel_conversion:
            x = x.flip(1)
        if preprocessor._enable_normalize:
            x = (x - preprocessor.mean) / preprocessor.std
        return x


def require_decodable(codec: object) -> None:
    """Check that a codec's maps can be decoded inside the graph.

    Raises:
        ArgumentError: If not.
    """
    if isinstance(codec, (CompositeLocalization, FullResolutionHeatmap, MSRAHeatmap)):
        return
    if isinstance(codec, UDPHeatmap) and codec.heatmap_type == 'gaussian':
        return
    raise ArgumentError(
        '{codec} cannot be decoded inside the graph, unlike the top-down codecs '
        'CompositeLocalization, FullResolutionHeatmap, MSRAHeatmap and UDPHeatmap '
        "('gaussian'). Leave out {} to export the maps; for bottom-up models "
        'mmpose_ext.codecs.numpy_decoding decodes them',
        'decode=True',
        codec=type(codec).__name__,
    )


def decode_maps(codec: Any, maps: Maps) -> tuple[Tensor, Tensor]:
    """Decode top-down maps to keypoints (B, K, 2) in input pixels and scores (B, K)."""
    if isinstance(codec, (MSRAHeatmap, UDPHeatmap)):
        return decode_heatmaps(codec, maps['heatmaps'])
    keypoints, scores = codec.locate(maps)
    return keypoints[:, 0], scores[:, 0]


def example_input(size: tuple[int, int], input_kind: str, batch: int = 2) -> Tensor:
    """Return an input of zeros of a size [w, h] and a kind."""
    w, h = size
    if input_kind == 'normalized':
        return torch.zeros(batch, 3, h, w)
    dtype = torch.uint8 if input_kind == 'uint8' else torch.float32
    return torch.zeros(batch, h, w, 3, dtype=dtype)
