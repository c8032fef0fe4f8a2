# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""CLNet's heads, which predict sparse heatmaps and short-distance offsets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from mmcv.cnn import ConvModule, build_upsample_layer
from mmengine.structures import PixelData
from mmpose.models.heads import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.utils.typing import ConfigType, InstanceList, OptConfigType, OptSampleList
from torch import Tensor, nn
from torch.nn import Conv2d

from mmpose_ext.models.layers.dilated_bottleneck import dilated_bottleneck
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal


class BaseCompositeLocalizationHead(BaseHead):
    """Base of the composite-localization heads: targets, losses, flip test and decoding.

    A subclass's :meth:`forward` gives the stages' raw maps.

    Args:
        in_channels (int | Sequence[int]): Channels of the feature map, or of all feature maps, of
            which the head uses the last.
        out_channels (int): Number of keypoints K; the last layer has 3K channels.
        loss (dict): Config of the loss. Defaults to dict(type='CompositeLocalizationLoss').
        decoder (dict, optional): Config of a :class:`mmpose_ext.codecs.CompositeLocalization`.
        init_cfg (dict, optional): Config of the initialization.
        logits (bool): Whether the heatmaps are logits, which a sigmoid turns into probabilities for
            decoding. ``BinaryHeatmapOffsetLoss`` needs logits. Defaults to False.

    Raises:
        ValueError: If there is no decoder, or if ``logits`` does not fit the loss.
    """

    default_init_cfg = [
        dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
        dict(type='Normal', layer='ConvTranspose2d', std=0.001),
        dict(type='Constant', layer='BatchNorm2d', val=1),
    ]

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        loss: ConfigType = dict(type='CompositeLocalizationLoss'),
        decoder: OptConfigType = None,
        init_cfg: OptConfigType = None,
        logits: bool = False,
    ) -> None:
        super().__init__(self.default_init_cfg if init_cfg is None else init_cfg)
        if decoder is None:
            raise ValueError(
                f'{type(self).__name__}: set decoder to the CompositeLocalization codec of the '
                'training pipeline; it holds tau and draws and decodes the maps.'
            )
        self.in_channels = in_channels if isinstance(in_channels, int) else in_channels[-1]
        self.out_channels = out_channels
        self.logits = logits
        self.loss_module = MODELS.build(loss)
        if getattr(self.loss_module, 'from_logits', logits) != logits:
            raise ValueError(
                f'{type(self).__name__}: set logits={not logits}, since '
                f'{type(self.loss_module).__name__} takes '
                f'{"probabilities" if logits else "logits"} as heatmaps.'
            )
        self.decoder = KEYPOINT_CODECS.build(decoder)

    def init_weights(self) -> None:
        """Initialize the weights, and those of the last convolutions close to 0."""
        super().init_weights()
        for layer in self.modules():
            if getattr(layer, 'is_final', False):
                nn.init.normal_(layer.weight, std=0.001)
                nn.init.zeros_(layer.bias)

    @abstractmethod
    def forward(self, feats: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return each stage's raw heatmaps (B, K, h, w) and offsets (B, 2K, h, w) in order."""

    def predict_maps(
        self,
        feats: Sequence[Tensor],
        input_size: Sequence[int] | None = None,
        stage: int = -1,
    ) -> Maps:
        """Return the maps that the codec decodes: one stage's, with probabilities as heatmaps.

        Args:
            feats (Sequence[Tensor]): The backbone's features.
            input_size (Sequence[int], optional): [w, h] of the input. If given, it may differ from
                the codec's, and the maps' size is not checked.
            stage (int): Index of the stage. Defaults to the last one.

        Returns:
            dict[str, Tensor]: ``heatmaps`` (B, K, h, w) and ``offsets`` (B, 2K, h, w).

        Raises:
            ValueError: If the maps are not of the codec's size.
        """
        maps = _named(self.forward(feats)[stage])
        if input_size is None:
            self.decoder.check_maps(maps)
        if self.logits:
            maps['heatmaps'] = maps['heatmaps'].sigmoid()
        return maps

    def predict(
        self,
        feats: Sequence[Tensor] | list[Sequence[Tensor]],
        batch_data_samples: OptSampleList,
        test_cfg: ConfigType = {},
    ) -> InstanceList | tuple[InstanceList, list[PixelData]]:
        """Predict keypoints in a batch on the model's device; only coordinates leave it.

        Args:
            feats (Sequence[Tensor] | list[Sequence[Tensor]]): The backbone's features. With
                ``test_cfg.flip_test``, a list of the features of the input and of its mirror image.
            batch_data_samples (list[PoseDataSample]): B samples; the flip test uses their
                ``flip_indices``.
            test_cfg (dict): ``flip_test``, ``output_heatmaps`` and ``stage`` (index of the stage
                that predicts, by default the last one) are used. Defaults to {}.

        Returns:
            list[InstanceData]: keypoints (1, K, 2) in input pixels and keypoint_scores (1, K). With
            ``output_heatmaps`` also a list of PixelData with the heatmaps (K, h, w) and offsets
            (2K, h, w).
        """
        stage = test_cfg.get('stage', -1)
        if test_cfg.get('flip_test', False):
            original, mirrored = (self.predict_maps(value, stage=stage) for value in feats)
            indices = batch_data_samples[0].metainfo['flip_indices']
            maps = self.decoder.merge_flipped(original, mirrored, indices)
        else:
            maps = self.predict_maps(feats, stage=stage)
        preds = self.decode(maps)
        if not test_cfg.get('output_heatmaps', False):
            return preds
        fields = zip_equal(maps['heatmaps'].detach(), maps['offsets'].detach())
        return preds, [
            PixelData(heatmaps=heatmaps, offsets=offsets) for heatmaps, offsets in fields
        ]

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: OptSampleList,
        train_cfg: ConfigType = {},
    ) -> Maps:
        """Compute the losses, summed over the stages.

        Args:
            feats (Sequence[Tensor]): The backbone's features.
            batch_data_samples (list[PoseDataSample]): B samples with either targets or points to
                draw.
            train_cfg (dict): Unused. Defaults to {}.

        Returns:
            dict[str, Tensor]: ``loss_heatmap`` and ``loss_offset``.
        """
        stages = [_named(maps) for maps in self.forward(feats)]
        self.decoder.check_maps(stages[-1])
        targets = self.decoder.targets(batch_data_samples, stages[-1]['heatmaps'].device)
        losses = [self.loss_module(maps, targets, self.decoder.tau) for maps in stages]
        return {name: sum(loss[name] for loss in losses) for name in losses[0]}

    def _split(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return maps.split((self.out_channels, 2 * self.out_channels), 1)


@MODELS.register_module()
class CompositeLocalizationHead(BaseCompositeLocalizationHead):
    """CLNet-ResNet's head: two dilated bottlenecks, a plain one and a convolution (Section 3.2).

    The first dilated bottleneck projects its input by a 1x1 convolution (DetNet's B), the
    second does not (A). With the defaults, on ResNet-50's third stage (1024 channels, stride 16),
    the network has the paper's 13.4 M parameters for 14 joints.

    Args:
        in_channels (int | Sequence[int]): Channels of the (last) feature map.
        out_channels (int): Number of keypoints K.
        channels (int): Channels of the bottlenecks' outputs. Defaults to 1024.
        mid_channels (int): Channels of their 3x3 convolutions. Defaults to 256.
        project (bool): Whether the first bottleneck projects its input. It always does if
            ``in_channels`` differs from ``channels``. Defaults to True.
        deconv_out_channels (Sequence[int]): Channels of the 4x4 deconvolutions of stride 2 before
            the bottlenecks, as in SimpleBaseline, for output strides below the backbone's. Defaults
            to no deconvolution.
        kernel_size (int): Kernel size of the last convolution. Defaults to 3.
        loss, decoder, init_cfg, logits: See :class:`BaseCompositeLocalizationHead`.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int,
        channels: int = 1024,
        mid_channels: int = 256,
        project: bool = True,
        deconv_out_channels: Sequence[int] = (),
        kernel_size: int = 3,
        loss: ConfigType = dict(type='CompositeLocalizationLoss'),
        decoder: OptConfigType = None,
        init_cfg: OptConfigType = None,
        logits: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, loss, decoder, init_cfg, logits)
        in_channels = self.in_channels
        deconvs = []
        for width in deconv_out_channels:
            deconvs += _deconv(in_channels, width)
            in_channels = width
        self.deconv_layers = nn.Sequential(*deconvs)
        self.bottlenecks = nn.Sequential(
            dilated_bottleneck(in_channels, channels, mid_channels, project=project),
            dilated_bottleneck(channels, channels, mid_channels),
            dilated_bottleneck(channels, channels, mid_channels, dilation=1),
        )
        self.final_layer = _final_conv(channels, 3 * out_channels, kernel_size)

    def forward(self, feats: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the raw maps of the only stage; see the base class."""
        x = self.bottlenecks(self.deconv_layers(feats[-1]))
        return [self._split(self.final_layer(x))]


@MODELS.register_module()
class StackedCompositeLocalizationHead(BaseCompositeLocalizationHead):
    """CLNet-Hourglass's head: three convolutions in series at every stage (Section 3.2).

    If a stage's feature map is finer than the codec's maps, its first convolutions have strides of
    2.

    Args:
        in_channels (int): Channels of each stage's feature map.
        out_channels (int): Number of keypoints K.
        feature_strides (Sequence[int]): Each stage's stride. Each stage has its own convolutions
            and its own loss. Defaults to eight stages, seven at stride 4 and the last at 16.
        channels (int): Channels of the first two convolutions. Defaults to 256.
        kernel_size (int): Kernel size of all three convolutions. Defaults to 3.
        loss, decoder, init_cfg, logits: See :class:`BaseCompositeLocalizationHead`.

    Raises:
        ValueError: If a stage cannot be brought to the codec's stride.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        feature_strides: Sequence[int] = (4,) * 7 + (16,),
        channels: int = 256,
        kernel_size: int = 3,
        loss: ConfigType = dict(type='CompositeLocalizationLoss'),
        decoder: OptConfigType = None,
        init_cfg: OptConfigType = None,
        logits: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, loss, decoder, init_cfg, logits)
        cfg = dict(kernel_size=kernel_size, padding=kernel_size // 2, norm_cfg=dict(type='BN'))
        self.stages = nn.ModuleList()
        for feature_stride in feature_strides:
            first, second, third = self._strides(feature_stride)
            self.stages.append(
                nn.Sequential(
                    ConvModule(self.in_channels, channels, stride=first, **cfg),
                    ConvModule(channels, channels, stride=second, **cfg),
                    _final_conv(channels, 3 * out_channels, kernel_size, third),
                )
            )

    def forward(self, feats: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the raw maps of every stage; see the base class."""
        if len(feats) != len(self.stages):
            raise ValueError(
                f'{type(self).__name__}: {len(self.stages)} stages but {len(feats)} feature maps. '
                "Give feature_strides one entry for each of the backbone's stacks."
            )
        return [self._split(stage(x)) for stage, x in zip_equal(self.stages, feats)]

    def _strides(self, feature_stride: int) -> list[int]:
        ratio = self.decoder.stride / feature_stride
        if ratio not in (1, 2, 4, 8):
            raise ValueError(
                f"{type(self).__name__}: three convolutions cannot bring a stage's stride "
                f"{feature_stride} to the codec's {self.decoder.stride}."
            )
        halvings = int(ratio).bit_length() - 1
        return [2] * halvings + [1] * (3 - halvings)


def _final_conv(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> Conv2d:
    """Build a last convolution whose maps start near 0."""
    conv = Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2)
    conv.is_final = True
    return conv


def _deconv(in_channels: int, channels: int) -> list[nn.Module]:
    cfg = dict(type='deconv', kernel_size=4, stride=2, padding=1, bias=False)
    deconv = build_upsample_layer(dict(cfg, in_channels=in_channels, out_channels=channels))
    return [deconv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def _named(maps: tuple[Tensor, Tensor]) -> Maps:
    return dict(zip_equal(('heatmaps', 'offsets'), maps))
