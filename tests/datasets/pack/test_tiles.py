# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Parts of a tiled JPEG against the whole."""

import cv2
import numpy as np
import pytest

from mmpose_ext.datasets.fast import encoded_image
from mmpose_ext.datasets.fast.encoded_image import decode_baseline
from mmpose_ext.datasets.pack.tiles import TILE, TiledJpeg, tiles_of

SIZES = [(100, 70), (32, 16), (1, 1), (33, 17), (200, 5)]


@pytest.fixture(params=['with', 'without'], autouse=True)
def _simplejpeg(request, monkeypatch):
    """Where simplejpeg is installed, and where it isn't."""
    if request.param == 'without':
        monkeypatch.setattr(encoded_image, 'simplejpeg', None)
    elif encoded_image.simplejpeg is None:
        pytest.skip('simplejpeg is not installed')


def make_picture(size):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (-(-size[1] // 12), -(-size[0] // 12), 3), dtype=np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def decode(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize('size', SIZES)
def test_the_whole_is_a_jpeg(size):
    picture = make_picture(size)
    tiled = TiledJpeg.encode(picture, 95)
    across, down = tiles_of(size)
    assert len(tiled.starts) == across * down + 1
    whole = decode(tiled.content)
    assert whole.shape == (down * TILE[1], across * TILE[0], 3)
    assert np.abs(whole[: size[1], : size[0]].astype(int) - picture).mean() < 6


@pytest.mark.parametrize('size', SIZES)
def test_pixels_of_a_box_are_those_of_the_whole(size):
    tiled = TiledJpeg.encode(make_picture(size), 90)
    whole = decode(tiled.content)
    rng = np.random.default_rng(1)
    areas = []
    for _ in range(40):
        x1, x2 = sorted(rng.integers(-40, size[0] + 40, 2).tolist())
        y1, y2 = sorted(rng.integers(-40, size[1] + 40, 2).tolist())
        content, (left, top, right, bottom) = tiled.cut((x1, y1, x2 + 1, y2 + 1))
        assert right - left >= TILE[0] and bottom - top >= TILE[1]
        part = decode_baseline(content, (right - left, bottom - top))[..., :3]
        assert part.shape == (bottom - top, right - left, 3)
        inside = np.s_[max(y1, 0) : max(y2 + 1, 0), max(x1, 0) : max(x2 + 1, 0)]
        shown = np.full(whole.shape, -1)
        shown[top:bottom, left:right] = part
        assert (
            np.abs(shown[inside][: size[1], : size[0]] - whole[inside][: size[1], : size[0]]).max(
                initial=0
            )
            <= 1
        )
        areas.append(part.shape[0] * part.shape[1] / whole[..., 0].size)
    assert size != SIZES[0] or min(areas) < 0.2  # no more is decoded than is needed


@pytest.mark.parametrize('by', [2, 4, 8])
def test_reduced_part(by):
    tiled = TiledJpeg.encode(cv2.GaussianBlur(make_picture((256, 128)), (0, 0), 4), 95)
    content, (left, top, right, bottom) = tiled.cut((70, 30, 150, 100))
    part = decode_baseline(content, (right - left, bottom - top), by)[..., :3]
    whole = decode(tiled.content)[top:bottom, left:right]
    expected = cv2.resize(whole, part.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert part.shape[1] == (right - left) // by
    assert np.abs(part.astype(int) - expected)[1:-1, 1:-1].mean() < 2
