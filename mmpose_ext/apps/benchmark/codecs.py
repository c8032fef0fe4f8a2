# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Encode and decode a batch as mmpose's pipeline and heads do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmpose_ext.apps.shared.configs import build_codec
from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .contestants import Contestant
from .samples import build_worker_codec, person_masks

#: Maps that mmpose's codecs decode, other than heatmaps alone, by the names of encoded fields.
DECODED = {'SimCCLabel': ('keypoint_x_labels', 'keypoint_y_labels')}
#: Codecs that decode tags in addition to heatmaps.
WITH_TAGS = ('AssociativeEmbedding', 'ClusterTag')


def encode_call(contestant: Contestant, points: np.ndarray, device: str) -> Callable[[], None]:
    """Encode a batch, image by image as workers do, to the model's targets.

    A codec with ``draw_on_device`` draws on the device, for the whole batch.

    Args:
        contestant (Contestant): The contestant with the encoder.
        points (np.ndarray): (B, N, K, 2).
        device (str): Device on which a codec with ``draw_on_device`` draws.
    """
    codec = build_codec(contestant.encoder)
    visible = np.ones(points.shape[1:3], np.float32)
    masks = [person_masks(contestant.encoder, image) for image in points]
    on_device = getattr(codec, 'draw_on_device', False)

    def encode() -> None:
        encoded = [codec.encode(image, visible, **more) for image, more in zip_equal(points, masks)]
        if on_device:  # a head draws on the device
            tensors = {
                name: torch.from_numpy(np.stack([one[name] for one in encoded])).to(device)
                for name in encoded[0]
            }
            keypoints, weights = tensors.pop('target_keypoints'), tensors.pop('keypoint_weights')
            with torch.no_grad():
                codec.draw(keypoints, weights, **tensors)

    return encode


def make_maps(
    contestant: Contestant, points: np.ndarray, noise: float, device: str, seed: int = 0
) -> tuple[Any, Maps]:
    """Return the decoding codec and maps of its head's size, perfect except for noise.

    Args:
        contestant (Contestant): The contestant with the codec.
        points (np.ndarray): (B, N, K, 2).
        noise (float): Standard deviation, in input pixels, of the noise on offsets in input pixels.
            Heatmaps get a hundredth of it, and tags a twentieth.
        device (str): Device of the maps.
        seed (int): Seed of the noise. Defaults to 0.

    Returns:
        tuple[BaseKeypointCodec, dict[str, Tensor]]: The codec, and maps (B, C, h, w) in the order
        of the codec.

    Raises:
        ValueError: If the maps that the codec decodes are unknown.
    """
    cfg = contestant.decoder_cfg
    if cfg['type'] == 'DiskOffset':
        cfg['map_size'] = network_map_size(contestant)
    codec = build_worker_codec(cfg)
    if isinstance(codec, BaseTorchCodec):
        names = [name for name in codec.decoded_names if name != 'tags']
    else:
        names = list(DECODED.get(cfg['type'], ('heatmaps',)))
    visible = np.ones(points.shape[1:3], np.float32)
    encoded = [codec.encode(image, visible) for image in points]
    if missing := [name for name in names if name not in encoded[0]]:
        raise ValueError(f'decode: {cfg["type"]} encodes no {missing}, so it has no maps to decode')
    maps = {name: torch.from_numpy(np.stack([e[name] for e in encoded])).float() for name in names}
    maps = add_noise(maps, noise, seed)
    if cfg['type'] in WITH_TAGS:
        tags = [nearest_person(codec, image) for image in points]
        maps['tags'] = torch.from_numpy(np.stack(tags))
        maps['tags'] += 0.05 * noise * torch.randn_like(maps['tags'])
    return codec, {name: value.to(device) for name, value in maps.items()}


def add_noise(maps: Maps, noise: float, seed: int = 0) -> Maps:
    """Add noise in input pixels to offsets of a known kind, and a hundredth of it to heatmaps."""
    generator = torch.Generator().manual_seed(seed)

    def with_noise(name: str, value: Tensor) -> Tensor:
        if name == 'offsets':  # CLNet's are not in pixels; noise does not change the time
            return value
        random = torch.randn(value.shape, generator=generator)
        if name.endswith('_offsets'):
            return value + noise * random
        return value + 0.01 * noise * random

    return {name: with_noise(name, value) for name, value in maps.items()} if noise else maps


def nearest_person(codec: Any, points: np.ndarray) -> np.ndarray:
    """Return tags (K, h, w) float32: at each cell, 4 times the nearest keypoint's person number.

    At this distance no noise confuses the tags of two people.
    """
    (w, h), (width, height) = codec.heatmap_size, codec.input_size
    x, y = np.arange(w) * (width / w), np.arange(h) * (height / h)
    tags = np.empty((points.shape[1], h, w), np.float32)
    for k, (px, py) in enumerate(points.transpose(1, 2, 0)):
        distance = (x - px[:, None]) ** 2
        tags[k] = 4.0 * (distance[:, None] + ((y - py[:, None]) ** 2)[..., None]).argmin(0)
    return tags


def network_map_size(contestant: Contestant) -> tuple[int, int]:
    """Return [w, h] of StrongPose's maps, whose corner cells lie on the input's corners."""
    backbone = (contestant.model or {}).get('backbone', {})
    stride = backbone.get('test_stride', 8)
    return tuple((size - 1) // stride + 1 for size in contestant.input_size)


def decode_call(codec: Any, maps: Maps) -> Callable[[], list]:
    """Return a function that decodes a batch as mmpose's heads do, to keypoints (N, K, 2).

    Codecs with tags get a copy of the maps, because mmpose's codec changes them.
    """
    copy = 'tags' in maps

    def decode() -> list:
        values = [value.clone() if copy else value for value in maps.values()]
        if codec.support_batch_decoding:
            return codec.batch_decode(*values)[0]
        images = zip_equal(*(value.detach().cpu().numpy() for value in values))
        return [codec.decode(*image)[0] for image in images]

    return decode
