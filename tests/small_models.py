# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Small networks of each kind: configs, and weights whose maps are as large as after training."""

import numpy as np
import torch

import mmpose_ext  # noqa: F401

SIZE = (64, 96)
PREPROCESSOR = dict(
    type='PoseDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)
META = dict(from_file='configs/_base_/datasets/coco.py')


def _resnet(**kwargs) -> dict:
    return dict(type='PluginResNet', depth=18, stem_channels=16, base_channels=16, **kwargs)


def _heatmap_model(codec: dict) -> dict:
    """Return a ResNet-18 with the attention module and an eighth of the channels."""
    cbam = dict(covariance_channels=8)
    plugins = [dict(cfg=dict(type='SecondOrderNonLocal', cbam=cbam))]
    head = dict(
        type='HeatmapHead',
        in_channels=128,
        out_channels=17,
        deconv_out_channels=(16, 16, 16),
        deconv_kernel_sizes=(4, 4, 4),
        decoder=codec,
    )
    return dict(type='TopdownPoseEstimator', backbone=_resnet(plugins=plugins), head=head)


def _heatmap_codec(kind: str, **kwargs) -> dict:
    cells = (SIZE[0] // 4, SIZE[1] // 4)
    return dict(type=kind, input_size=SIZE, heatmap_size=cells, sigma=2, **kwargs)


def _composite_resnet() -> dict:
    return dict(
        type='TopdownPoseEstimator',
        backbone=_resnet(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)),
        head=dict(
            type='CompositeLocalizationHead',
            in_channels=64,
            out_channels=17,
            channels=32,
            mid_channels=8,
            decoder=dict(type='CompositeLocalization', input_size=SIZE),
        ),
    )


def _composite_hourglass() -> dict:
    return dict(
        type='TopdownPoseEstimator',
        backbone=dict(type='StackedHourglass', num_stacks=2, depth=3, channels=16, out_stride=16),
        head=dict(
            type='StackedCompositeLocalizationHead',
            in_channels=16,
            out_channels=17,
            feature_strides=(4, 16),
            channels=16,
            decoder=dict(type='CompositeLocalization', input_size=SIZE),
        ),
    )


def _heatmap_hourglass() -> dict:
    return dict(
        type='TopdownPoseEstimator',
        backbone=dict(type='StackedHourglass', num_stacks=2, depth=3, channels=16, out_stride=4),
        head=dict(
            type='StackedHeatmapHead',
            in_channels=16,
            out_channels=17,
            num_stages=2,
            decoder=_heatmap_codec('MSRAHeatmap'),
        ),
    )


def _full_resolution() -> dict:
    context = dict(type='GlobalContextBlock', ratio=1 / 4)
    return dict(
        type='TopdownPoseEstimator',
        backbone=dict(
            type='ContextResNet',
            depth=18,
            stem_channels=16,
            base_channels=16,
            context=context,
            out_indices=(0, 1, 2, 3),
        ),
        neck=dict(type='SAMFCD', in_channels=(16, 32, 64), out_channels=8),
        head=dict(
            type='FullResolutionHead',
            in_channels=(8, 8, 8, 128),
            out_channels=17,
            deconv_out_channels=(16, 16, 16, 8, 8),
            lateral_indices=(None, 0, 1, 2, None),
            context=context,
            decoder=dict(type='FullResolutionHeatmap', input_size=SIZE, sigma=4),
        ),
    )


def _disk_offset() -> dict:
    return dict(
        type='MultiScaleBottomupEstimator',
        backbone=dict(
            type='DilatedResNet',
            depth=18,
            stem_channels=16,
            base_channels=16,
            num_stages=3,
            train_stride=8,
            test_stride=8,
        ),
        head=dict(
            type='DiskOffsetHead',
            in_channels=64,
            offset_unit=2,
            decoder=dict(type='DiskOffset', input_size=(65, 97), map_size=(9, 13), radius=8),
        ),
    )


def _cluster_tag() -> dict:
    clusters = dict(sparse_clusters=(5, 17), dense_clusters=(1, 3))
    cells = (SIZE[0] // 4, SIZE[1] // 4)
    return dict(
        type='BottomupPoseEstimator',
        backbone=dict(type='BranchedHourglass', depth=3, channels=24, stem_channels=8, **clusters),
        head=dict(
            type='ClusterTagHead',
            decoder=dict(type='ClusterTag', input_size=SIZE, heatmap_size=cells, max_people=3),
            **clusters,
        ),
    )


MODELS = {
    'disk_offset': _disk_offset,
    'cluster_tag': _cluster_tag,
    'attention': lambda: _heatmap_model(_heatmap_codec('MSRAHeatmap')),
    'attention_unbiased': lambda: _heatmap_model(_heatmap_codec('MSRAHeatmap', unbiased=True)),
    'attention_udp': lambda: _heatmap_model(_heatmap_codec('UDPHeatmap')),
    'heatmap_hourglass': _heatmap_hourglass,
    'composite_resnet': _composite_resnet,
    'composite_hourglass': _composite_hourglass,
    'full_resolution': _full_resolution,
}


def enliven(network: torch.nn.Module) -> None:
    """Scale maps to the values of a trained network, which decide keypoints."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.weight.data.uniform_(0.5, 1.0, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
    images = torch.from_numpy(
        np.random.default_rng(0).normal(size=(4, 3, SIZE[1], SIZE[0])).astype(np.float32)
    )
    if hasattr(network.head, 'final_layer'):
        last = network.head.final_layer
    elif hasattr(network.head, 'multi_final_layers'):
        last = network.head.multi_final_layers[-1]
    elif hasattr(network.backbone, 'stacks'):
        last = network.backbone.stacks[-1].branches['sparse'].detection.predictions
    else:
        last = network.head.stages[-1][-1]
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.5
    network.train()
    maps = []
    last.register_forward_hook(lambda *args: maps.append(args[-1]))
    with torch.no_grad():
        for _ in range(3):
            network.head.forward(network.extract_feat(images))
        last.weight /= maps[-1].std()
        last.bias.fill_(0.5)
        if hasattr(network.backbone, 'stacks'):  # people whose tags are apart
            tags = network.backbone.stacks[-1].branches['sparse'].tag.predictions
            tags.weight *= 40
    network.eval()


def give_clear_peaks(network: torch.nn.Module, size: tuple) -> None:
    """Set a heatmap network's weights so that each map is smooth and positive with a clear peak.

    The position of the peak depends on the image, which must be smooth too. Rounding does not move
    it, not even by sub-pixel steps.

    Args:
        network (TopdownPoseEstimator): A network with a ``HeatmapHead``.
        size (tuple): [w, h] of the input.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, size[1] // 16, size[0] // 16, generator=generator)
    images = torch.nn.functional.interpolate(images, size[::-1], mode='bicubic')
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])  # a deconvolution that interpolates linearly
    for module in network.modules():
        if isinstance(module, torch.nn.ConvTranspose2d):
            mix = torch.randn(*module.weight.shape[:2], 1, 1, generator=generator)
            module.weight.data = mix * ramp[:, None] * ramp
        elif isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    last = network.head.final_layer
    with torch.no_grad():
        network.train()(images, None)
        network.eval()
        last.weight /= network(images, None).std((0, 2, 3))[:, None, None, None]
        last.bias += 6 - network(images, None).mean((0, 2, 3))
