# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decoder of the full-resolution encoder-decoder network (FR-SBN), with full-size heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import ModuleList
from mmengine.structures import PixelData
from mmpose.models.heads import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.utils.typing import ConfigType, InstanceList, OptConfigType, OptSampleList
from torch import Tensor, nn

from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.codecs.full_resolution_heatmap import find_maximum
from mmpose_ext.models.layers.decoder_block import DecoderBlock
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal


@MODELS.register_module()
class FullResolutionHead(BaseHead):
    """Decoders that double the resolution up to the input's, then a 1x1 convolution (Section 3).

    Config settings select the variant:

    - plain: all ``lateral_indices`` None and no ``context``, on any backbone of output stride 32;
    - with context blocks: ``context``;
    - skip connections: ``lateral_indices=(2, 1, 0, None, None)`` on a backbone that gives C2 to C5
      connects each stage to the decoder of the same resolution;
    - SA-MFCD: ``lateral_indices=(None, 0, 1, 2, None)`` after the neck ``SAMFCD``.

    If a side of the input is not a multiple of 32, the last decoder's map is cropped at the right
    and the bottom to the input's size, the ``input_size`` of the decoder (codec).

    Args:
        in_channels (int | Sequence[int]): Channels of the feature maps. The head decodes the last
            one.
        out_channels (int): Number of keypoints K.
        deconv_out_channels (Sequence[int]): Channels of the decoders. Defaults to the paper's.
        lateral_indices (Sequence[int | None], optional): Index of each decoder's lateral feature
            map, None for no lateral features. Defaults to None for all decoders.
        context (dict, optional): Config of the context block after each of the first decoders.
        num_context (int): Number of decoders followed by a context block. Defaults to 3.
        loss (dict): Config of a loss that takes maps, targets and keypoint weights (B, K). Defaults
            to KeypointMSELoss with keypoint weights, a mean over the cells. Eq. 2 is a sum: set
            ``loss_weight`` to the number of cells, as the configs do, because Adam's epsilon
            consumes the small gradients of the mean.
        decoder (dict, optional): Config of a :class:`mmpose_ext.codecs.FullResolutionHeatmap`,
            without which the head neither trains nor predicts.
        init_cfg (dict, optional): Config of the initialization.

    Raises:
        ValueError: If ``lateral_indices`` do not fit the decoders or the feature maps.
    """

    default_init_cfg = [
        dict(type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.001),
        dict(type='Constant', layer='BatchNorm2d', val=1),
    ]

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        deconv_out_channels: Sequence[int] = (256, 256, 256, 128, 32),
        lateral_indices: Sequence[int | None] | None = None,
        context: OptConfigType = None,
        num_context: int = 3,
        loss: ConfigType = dict(type='KeypointMSELoss', use_target_weight=True),
        decoder: OptConfigType = None,
        init_cfg: OptConfigType = None,
    ) -> None:
        super().__init__(self.default_init_cfg if init_cfg is None else init_cfg)
        self.in_channels = (in_channels,) if isinstance(in_channels, int) else tuple(in_channels)
        self.out_channels = out_channels
        self.lateral_indices = tuple(lateral_indices or [None] * len(deconv_out_channels))
        self._check_laterals(len(deconv_out_channels))
        self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else KEYPOINT_CODECS.build(decoder)
        self.decoders = ModuleList()
        channels = self.in_channels[-1]
        for number, (width, index) in enumerate(
            zip_equal(deconv_out_channels, self.lateral_indices)
        ):
            lateral = 0 if index is None else self.in_channels[index]
            has_context = context if number < num_context else None
            self.decoders.append(DecoderBlock(channels, width, lateral, has_context))
            channels = width
        self.final_layer = nn.Conv2d(channels, out_channels, kernel_size=1)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Decode feature maps to heatmaps (B, K, H, W) of the input's size.

        Args:
            feats (Sequence[Tensor]): The lateral features, if any, and last the encoder's output.

        Raises:
            ValueError: If the features do not match the settings.
        """
        size = None if self.decoder is None else self.decoder.input_size
        return self._decode_features(feats, size)

    def predict_maps(
        self, feats: Sequence[Tensor], input_size: Sequence[int] | None = None
    ) -> Maps:
        """Return the map that the codec decodes.

        Args:
            feats (Sequence[Tensor]): As :meth:`forward`.
            input_size (Sequence[int], optional): [w, h] of the input. Defaults to the codec's.

        Returns:
            dict[str, Tensor]: ``heatmaps`` (B, K, H, W) of the input's size.
        """
        if input_size is None:
            return dict(heatmaps=self.forward(feats))
        return dict(heatmaps=self._decode_features(feats, input_size))

    def predict(
        self,
        feats: Sequence[Tensor] | list[Sequence[Tensor]],
        batch_data_samples: OptSampleList,
        test_cfg: ConfigType = {},
    ) -> InstanceList | tuple[InstanceList, list[PixelData]]:
        """Predict keypoints in a batch on the model's device; only coordinates leave it.

        Args:
            feats (Sequence[Tensor] | list[Sequence[Tensor]]): The features. With
                ``test_cfg.flip_test``, a list of the features of the input and of its mirror image.
            batch_data_samples (list[PoseDataSample]): B samples; the flip test uses their
                ``flip_indices``.
            test_cfg (dict): ``flip_test`` and ``output_heatmaps`` are used. Defaults to {}.

        Returns:
            list[InstanceData]: keypoints (1, K, 2) in input pixels and keypoint_scores (1, K). With
            ``output_heatmaps`` also a list of PixelData with the heatmaps (K, H, W).

        Raises:
            ValueError: If ``test_cfg.shift_heatmap`` is set, there is no codec, or its
                ``input_size`` is not that of the samples.
        """
        self._check_testing(test_cfg)
        decoder = self._decoder_of(batch_data_samples)
        if test_cfg.get('flip_test', False):
            maps, mirrored = (self.predict_maps(value) for value in feats)
            flip_indices = batch_data_samples[0].metainfo['flip_indices']
            maps = decoder.merge_flipped(maps, mirrored, flip_indices)
        else:
            maps = self.predict_maps(feats)
        preds = self.decode(maps)
        if not test_cfg.get('output_heatmaps', False):
            return preds
        return preds, [PixelData(heatmaps=heatmaps) for heatmaps in maps['heatmaps'].detach()]

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: OptSampleList,
        train_cfg: ConfigType = {},
    ) -> dict[str, Tensor]:
        """Compute the loss (Eq. 2) and the accuracy on the training samples.

        Args:
            feats (Sequence[Tensor]): The features.
            batch_data_samples (list[PoseDataSample]): B samples with either targets or points to
                draw.
            train_cfg (dict): ``compute_acc`` (default True) is used. Defaults to {}.

        Returns:
            dict[str, Tensor]: ``loss_kpt``, and ``acc_pose`` by :func:`heatmap_accuracy`.

        Raises:
            ValueError: As :meth:`predict`, and if the samples have another number of keypoints.
        """
        self._check_testing(getattr(self, 'test_cfg', {}))  # not after the first epochs
        decoder = self._decoder_of(batch_data_samples)
        heatmaps = self.forward(feats)
        targets = decoder.targets(batch_data_samples, heatmaps.device)
        if targets['heatmaps'].shape != heatmaps.shape:
            raise ValueError(
                f'FullResolutionHead: out_channels is {self.out_channels}, but the samples have '
                f"{targets['heatmaps'].shape[1]} keypoints: set it to the data set's number."
            )
        weights = targets['keypoint_weights'][:, 0]
        losses = dict(loss_kpt=self.loss_module(heatmaps, targets['heatmaps'], weights))
        if train_cfg.get('compute_acc', True):
            losses['acc_pose'] = heatmap_accuracy(heatmaps, targets['heatmaps'], weights > 0)
        return losses

    def _decode_features(self, feats: Sequence[Tensor], size: Sequence[int] | None) -> Tensor:
        """Decode feature maps to heatmaps of the input's size [w, h]; not cropped if it is None."""
        self._check_features(feats)
        x = feats[-1]
        for decoder, index in zip_equal(self.decoders, self.lateral_indices):
            x = decoder(x, None if index is None else feats[index])
        return self.final_layer(x if size is None else self._cut(x, size))

    def _check_testing(self, test_cfg: ConfigType) -> None:
        if test_cfg.get('shift_heatmap', False):
            raise ValueError(
                'FullResolutionHead: full-resolution heatmaps need no shift in the flip test; set '
                'model.test_cfg.shift_heatmap=False.'
            )

    def _decoder_of(self, batch_data_samples: OptSampleList) -> BaseTorchCodec:
        """Return the codec; check that it has the samples' input size, which decides the crop."""
        if self.decoder is None:
            raise ValueError(
                'FullResolutionHead: set decoder to the FullResolutionHeatmap codec of the '
                'training pipeline; it draws and decodes the maps.'
            )
        size = batch_data_samples[0].metainfo.get('input_size', self.decoder.input_size)
        if tuple(size) != tuple(self.decoder.input_size):
            raise ValueError(
                f'FullResolutionHead: the images are {size[0]}x{size[1]}, but the codec has '
                f'input_size={self.decoder.input_size}: give both the same size.'
            )
        return self.decoder

    def _check_laterals(self, num_decoders: int) -> None:
        if len(self.lateral_indices) != num_decoders:
            raise ValueError(
                f'FullResolutionHead: lateral_indices {self.lateral_indices} must have one entry '
                f'for each of the {num_decoders} deconv_out_channels.'
            )
        for index in self.lateral_indices:
            if index is not None and not 0 <= index < len(self.in_channels) - 1:
                raise ValueError(
                    f'FullResolutionHead: lateral_indices names feature map {index}, but '
                    f'in_channels {self.in_channels} gives {len(self.in_channels) - 1} before the '
                    'one that the head decodes.'
                )

    def _check_features(self, feats: Sequence[Tensor]) -> None:
        channels = tuple(x.shape[1] if isinstance(x, Tensor) else None for x in feats)
        if len(self.in_channels) == 1:
            channels = channels[-1:]
        if channels != self.in_channels:
            raise ValueError(
                f'FullResolutionHead: in_channels {self.in_channels} but the feature maps have '
                f'{channels} channels (None: no map; ContextResNet needs the neck SAMFCD). Set '
                "in_channels to those of the neck, or of the backbone's out_indices."
            )

    def _cut(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Crop the last decoder's map to the input's size [w, h]."""
        w, h = size
        spare = (x.shape[-2] - h, x.shape[-1] - w)
        if min(spare) < 0 or max(spare) >= 2 ** len(self.decoders):
            raise ValueError(
                f'FullResolutionHead: the decoders give {x.shape[-1]}x{x.shape[-2]} cells for an '
                f"input_size of {w}x{h}. The images must be of the codec's input_size (set it in "
                'TopdownAffine), and deconv_out_channels must have one entry for each halving of '
                'the resolution in the backbone (5 for ResNet).'
            )
        return x[..., :h, :w]


@torch.no_grad()
def heatmap_accuracy(
    heatmaps: Tensor, targets: Tensor, mask: Tensor, threshold: float = 0.05
) -> Tensor:
    """Return the mean fraction of keypoints found: mmpose's ``pose_pck_accuracy`` in torch.

    As in mmpose, a keypoint is found if its arg-max is nearer to the target's than ``threshold``,
    with x measured in map heights and y in map widths.

    Args:
        heatmaps (Tensor): (B, K, h, w).
        targets (Tensor): (B, K, h, w).
        mask (Tensor): (B, K), True for the keypoints that count.
        threshold (float): Largest distance that counts as found. Defaults to 0.05.

    Returns:
        Tensor: One number, on the maps' device; 0 if no keypoint counts.
    """
    (cells, scores), (target_cells, _) = find_maximum(heatmaps), find_maximum(targets)
    cells = torch.where(scores[..., None] > 0, cells, -1)
    size = torch.tensor(heatmaps.shape[-2:], device=heatmaps.device)
    found = ((cells - target_cells) / size).norm(dim=-1) < threshold
    counted = mask.sum(0)
    each = (found & mask).sum(0) / counted.clamp(min=1)
    return each.sum() / (counted > 0).sum().clamp(min=1)
