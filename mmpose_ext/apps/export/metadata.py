# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Metadata of an ONNX file, stored as JSON under the key ``mmpose_ext``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.config import Config
from torch import nn

from mmpose_ext.utils.metainfo import keypoint_names
from mmpose_ext.version import __version__

from .decoder_file import decoding_settings

METADATA_KEY = 'mmpose_ext'
#: Units of outputs that are not heatmaps.
UNITS = {
    'keypoints': 'input pixels, x before y',
    'scores': "the heatmap's maximum",
    'heatmaps': 'probability-like, one channel per keypoint (or cluster of keypoints)',
    'body_heatmaps': 'probability of a body',
    'tags': 'embedding',
    'short_offsets': 'input pixels; channel 2k is x, 2k + 1 is y',
    'mid_offsets': 'input pixels; channel 2d is x, 2d + 1 is y of directed edge d',
    'long_offsets': 'input pixels; channel 2k is x, 2k + 1 is y',
    'offsets': 'cells; the first K channels are y, the last K x',
}


def build_metadata(
    model: nn.Module,
    cfg: Config,
    data_mode: str,
    pipeline: Sequence,
    input_kind: str,
    outputs: Sequence[str],
    dynamic_size: bool,
) -> dict:
    """Describe an exported graph.

    Args:
        model (nn.Module): A model with ``dataset_meta``.
        cfg (Config): Its config.
        data_mode (str): ``'topdown'`` or ``'bottomup'``.
        pipeline (Sequence): The test pipeline's transforms.
        input_kind (str): See :class:`~.graph.ExportGraph`.
        outputs (Sequence[str]): Names of the outputs.
        dynamic_size (bool): Whether the graph accepts images of other sizes.

    Returns:
        dict: Plain numbers, strings, lists and dicts.
    """
    meta = model.dataset_meta
    codec = model.head.decoder
    return dict(
        version=__version__,
        config=os.path.basename(cfg.get('filename') or ''),
        mode=data_mode,
        input=dict(
            name='images',
            kind=input_kind,
            size=[int(n) for n in codec.input_size],
            dynamic_size=dynamic_size,
            size_divisor=size_divisor(model),
            **_input_values(model, input_kind),
        ),
        outputs={name: UNITS.get(name, '') for name in outputs},
        codec=_plain(cfg.model.head.decoder),
        decoding=decoding_settings(codec),
        crop=_crop(pipeline),
        keypoints=keypoint_names(meta),
        flip_indices=[int(i) for i in meta['flip_indices']],
        skeleton=[[int(a), int(b)] for a, b in meta.get('skeleton_links', ())],
        sigmas=[float(s) for s in meta.get('sigmas', ())],
    )


def size_divisor(model: nn.Module) -> int:
    """Return the number that must divide the sides of images of other sizes than the codec's."""
    return int(getattr(model.backbone, 'divisor', 32))


def _input_values(model: nn.Module, input_kind: str) -> dict:
    preprocessor = model.data_preprocessor
    swapped = bool(preprocessor._channel_conversion)
    if input_kind != 'normalized':
        return dict(layout='BHWC', channels='BGR', values='0 to 255', dtype=input_kind)
    described: dict[str, object] = dict(
        layout='BCHW', channels='RGB' if swapped else 'BGR', dtype='float32'
    )
    described['values'] = '(value - mean) / std'
    normalizes = preprocessor._enable_normalize
    described['mean'] = preprocessor.mean.flatten().tolist() if normalizes else [0.0] * 3
    described['std'] = preprocessor.std.flatten().tolist() if normalizes else [1.0] * 3
    return described


def _crop(pipeline: Sequence) -> dict:
    """Describe how the test pipeline maps a person or an image to the input's size."""
    found: dict[str, object] = {}
    for transform in pipeline:
        name = type(transform).__name__
        if name == 'GetBBoxCenterScale':
            found['padding'] = float(transform.padding)
        elif name in ('TopdownAffine', 'BottomupResize'):
            found.update(transform=name, use_udp=bool(transform.use_udp))
            if name == 'BottomupResize':
                found['resize_mode'] = transform.resize_mode
                found['size_factor'] = int(transform.size_factor)
    return found


def _plain(value: object) -> object:
    """Convert config values to numbers, strings, lists and dicts; anything else to its ``str``."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
