# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find mmpose's nearest codec and network, to compare with a config."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from mmengine.hub import get_config

from .contestants import MEASURES, OF_CODEC, OF_NETWORK, Contestant, replace_step, without_weights

#: mmpose's order of grouping for COCO.
ORDER = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
#: Measures of contestants that share a network.
WITHOUT_FORWARD = tuple(measure for measure in MEASURES if measure != 'forward')
AE_CONFIG = (
    'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py'
)


def peers_of(ours: Contestant) -> list[Contestant]:
    """Return the peers of a contestant, by the codec of its pipeline and its backbone.

    | codec or backbone | peers |
    | --- | --- |
    | CompositeLocalization | itself drawn elsewhere; MSRAHeatmap with SimpleBaseline, or with mmpose's stacked hourglass; MSRAHeatmap unbiased and UDPHeatmap, codecs only |
    | FullResolutionHeatmap | itself drawn elsewhere; MSRAHeatmap, unbiased too, and UDPHeatmap at the input's size with the same network; SimpleBaseline with MSRAHeatmap at a quarter |
    | DiskOffset, ClusterTag | AssociativeEmbedding at stride 4, codec only; mmpose's HRNet-W32 config of associative embedding at the same input size, rounded up to a multiple of 32, which decodes maps of the input's size |
    | PluginResNet with plugins | the same without plugins: SimpleBaseline |

    Returns:
        list[Contestant]: The peers; empty if the config uses nothing of this package.
    """  # noqa: E501
    make = PEERS.get(ours.encoder['type'])
    if make is not None:
        return make(ours)
    backbone = (ours.model or {}).get('backbone', {})
    if backbone.get('type') == 'PluginResNet' and backbone.get('plugins'):
        return [without_plugins(ours)]
    return []


def heatmap_codecs(
    size: tuple[int, int], heatmap_size: tuple[int, int], sigma: float
) -> dict[str, dict]:
    """Return mmpose's Gaussian heatmap codecs."""
    common = dict(input_size=size, heatmap_size=heatmap_size, sigma=sigma)
    return {
        'MSRAHeatmap': dict(common, type='MSRAHeatmap'),
        'MSRAHeatmap, unbiased': dict(common, type='MSRAHeatmap', unbiased=True),
        'UDPHeatmap': dict(common, type='UDPHeatmap'),
    }


def quarter_codecs(size: tuple[int, int]) -> dict[str, dict]:
    """Return the codecs at a quarter of the input, with mmpose's sigma (2 cells at height 256)."""
    sigma = max(1.0, size[1] / 128)
    return heatmap_codecs(size, (size[0] // 4, size[1] // 4), sigma)


def drawn_elsewhere(ours: Contestant) -> Contestant:
    """Return the same codec with the drawing moved from the device to the worker, or back."""
    on_device = ours.encoder.get('draw_on_device', False)
    place = 'the worker' if on_device else 'the device'
    codec = dict(ours.encoder, draw_on_device=not on_device)
    name = f'{ours.name}, drawn by {place}'
    return ours.with_codec(name, codec, shares=ours.name, measures=WITHOUT_FORWARD)


def simple_baseline(ours: Contestant) -> Contestant:
    """Return mmpose's deconvolution head at a quarter of the input's size on the plain backbone."""
    codec = quarter_codecs(ours.input_size)['MSRAHeatmap']
    assert ours.model is not None
    backbone = ours.model['backbone']
    if 'Hourglass' in backbone['type']:
        stacks = backbone.get('num_stacks', 1)
        name = f'MSRAHeatmap (HourglassNet, {stacks})'
        # halve as often as the input's sides allow
        backbone = dict(
            type='HourglassNet',
            num_stacks=stacks,
            downsample_times=4,
            stage_channels=(256, 256, 384, 384, 384),
            stage_blocks=(2, 2, 2, 2, 4),
        )
        head = dict(type='CPMHead', in_channels=256, num_stages=stacks, deconv_out_channels=None)
    else:
        name = 'MSRAHeatmap (SimpleBaseline)'
        kept = ('depth', 'stem_channels', 'base_channels')
        backbone = dict({k: backbone[k] for k in kept if k in backbone}, type='ResNet')
        wide = 1 if backbone.get('depth', 50) < 50 else 4
        width = 8 * wide * backbone.get('base_channels', 64)
        head = dict(type='HeatmapHead', in_channels=width)
    head.update(
        out_channels=ours.metainfo['num_keypoints'],
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    )
    model = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=deepcopy(ours.model.get('data_preprocessor')),
        backbone=backbone,
        head=head,
    )
    return ours.with_codec(name, codec, model=model)


def composite_localization_peers(ours: Contestant) -> list[Contestant]:
    """Return the peers of a CompositeLocalization contestant; see :func:`peers_of`."""
    codecs = quarter_codecs(ours.input_size)
    names = ('MSRAHeatmap, unbiased', 'UDPHeatmap')
    only = [ours.with_codec(name, codecs[name], model=None, measures=OF_CODEC) for name in names]
    return [drawn_elsewhere(ours), simple_baseline(ours), *only]


def full_resolution_peers(ours: Contestant) -> list[Contestant]:
    """Return the peers of a FullResolutionHeatmap contestant; see :func:`peers_of`."""
    size, sigma = ours.input_size, ours.encoder['sigma']
    codecs = heatmap_codecs(size, size, sigma)
    peers = [drawn_elsewhere(ours)]
    for name, codec in codecs.items():
        # unbiased encoding and decoding, the same targets
        measures = ('encode', 'decode') if 'unbiased' in name else WITHOUT_FORWARD
        peers.append(ours.with_codec(name, codec, shares=ours.name, measures=measures))
    # the blur kernel for sigma by the rule in mmpose's docstring; the default is 11
    kernel = 2 * round((sigma - 0.8) / 0.3 + 1) + 1
    for name in ('MSRAHeatmap, unbiased', 'UDPHeatmap'):
        codec = dict(codecs[name], blur_kernel_size=kernel)
        peers.append(
            ours.with_codec(f'{name}, kernel {kernel}', codec, model=None, measures=('decode',))
        )
    return [*peers, simple_baseline(ours)]


def associative_embedding_codec(size: tuple[int, int]) -> dict:
    """Return mmpose's codec at stride 4, with the settings of its COCO config."""
    return dict(
        type='AssociativeEmbedding',
        input_size=size,
        heatmap_size=tuple(-(-side // 4) for side in size),
        sigma=2,
        decode_topk=30,
        decode_center_shift=0.5,
        decode_keypoint_order=ORDER,
        decode_max_instances=30,
    )


def bottomup_peers(ours: Contestant) -> list[Contestant]:
    """Return the peers of a DiskOffset or ClusterTag contestant; see :func:`peers_of`."""
    size = ours.input_size
    if ours.metainfo['num_keypoints'] != len(ORDER):
        return []  # mmpose has no grouping order for other keypoints
    codec_only = ours.with_codec(
        'AssociativeEmbedding',
        associative_embedding_codec(size),
        model=None,
        measures=('encode', 'decode'),
    )
    return [codec_only, associative_embedding_network(ours)]


def associative_embedding_network(ours: Contestant) -> Contestant:
    """Return mmpose's HRNet-W32 with associative embedding in our pipeline."""
    w, h = (-(-side // 32) * 32 for side in ours.input_size)
    size = (w, h)
    codec = associative_embedding_codec(size)
    model = without_weights(get_config(AE_CONFIG).model.to_dict())
    model['head']['decoder'] = dict(codec, heatmap_size=size)
    pipeline = replace_step(ours.pipeline, 'GenerateTarget', encoder=codec)
    pipeline = replace_step(pipeline, 'BottomupRandomAffine', input_size=size)
    types = [step['type'] for step in pipeline]
    pipeline.insert(types.index('GenerateTarget') + 1, dict(type='BottomupGetHeatmapMask'))
    pipeline = [step for step in pipeline if step['type'] != 'PersonMasks']
    return ours.change(name='AE config (HRNet-W32)', model=model, pipeline=pipeline, decoder=None)


def without_plugins(ours: Contestant) -> Contestant:
    """Return the same network on mmpose's ResNet."""
    assert ours.model is not None
    model = deepcopy(ours.model)
    model['backbone'].update(type='ResNet')
    model['backbone'].pop('plugins')
    return ours.change(name='SimpleBaseline', model=model, measures=OF_NETWORK)


PEERS: dict[str, Callable[[Contestant], list[Contestant]]] = {
    'CompositeLocalization': composite_localization_peers,
    'FullResolutionHeatmap': full_resolution_peers,
    'DiskOffset': bottomup_peers,
    'ClusterTag': bottomup_peers,
}
