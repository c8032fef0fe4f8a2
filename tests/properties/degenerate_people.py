# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Strategies for degenerate people, and a codec's targets drawn in both ways."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import KEYPOINT_CODECS

import mmpose_ext  # noqa: F401

#: Kinds of positions of a person's keypoints.
PLACES = (
    'anywhere', 'one point', 'borders', 'corners', 'outside', 'far outside', 'huge', 'tiny',
)  # fmt: skip
#: Kinds of labeling.
SEEN = ('all', 'none', 'one', 'some', 'fractional')
#: Numbers of people in an image.
NUMBERS = (0, 1, 1, 1, 2, 2, 3, 3, 100)


class People(NamedTuple):
    """The people of an image: keypoints (N, K, 2) in input pixels and visibilities (N, K)."""

    points: np.ndarray
    visible: np.ndarray

    def inside(self, size, margin=0.5):
        """Return which keypoints are labeled and at most ``margin`` pixels outside the image."""
        last = np.array(size) - 1 + margin
        return ((self.points >= -margin) & (self.points <= last)).all(-1) & (self.visible > 0)


def _place(kind, rng, size, number):
    w_h = np.array(size, np.float64)
    if kind == 'one point':
        return np.repeat(rng.uniform(-0.2, 1.2, (1, 2)) * w_h, number, 0)
    if kind == 'borders':
        points = rng.uniform(0, 1, (number, 2)) * (w_h - 1)
        axis = rng.integers(0, 2, number)
        side = rng.choice([-0.5, 0, 1, 2], number)  # before, on the first; on the last, behind it
        ends = np.where(side < 1, side, w_h[axis] - 1 + (side - 1) / 2)
        points[np.arange(number), axis] = ends
        return points
    if kind == 'corners':
        return rng.integers(0, 2, (number, 2)) * (w_h - 1) + rng.choice([-0.5, 0, 0.5])
    if kind == 'outside':
        return rng.uniform(1.0, 3.0, (number, 2)) * w_h * rng.choice([-1, 1], (number, 2))
    if kind == 'far outside':
        return rng.choice([-1e6, 1e6, 1e12, 5.0], (number, 2))
    if kind == 'huge':
        return rng.uniform(-50, 50, (number, 2)) * w_h
    if kind == 'tiny':
        return rng.uniform(0, 1, (1, 2)) * w_h + rng.uniform(-0.3, 0.3, (number, 2))
    return rng.uniform(-0.1, 1.1, (number, 2)) * w_h


def _see(kind, rng, number):
    seen = np.zeros(number)
    if kind == 'all':
        seen[:] = 1
    elif kind == 'one':
        seen[rng.integers(number)] = 1
    elif kind == 'some':
        seen[:] = rng.integers(0, 3, number)  # COCO's 0, 1, 2
    elif kind == 'fractional':
        seen[:] = rng.choice([0, 1e-6, 0.25, 0.999, 1], number)
    return seen


@st.composite
def people(draw, size, keypoints, numbers=NUMBERS, places=PLACES, seen=SEEN):
    """Return a strategy of :class:`People` in an input of size [w, h]; crowds are generated."""
    number = draw(st.sampled_from(numbers))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(
        st.lists(
            st.tuples(st.sampled_from(places), st.sampled_from(seen)),
            min_size=min(number, 3),
            max_size=min(number, 3),
        )
    )
    points = np.zeros((number, keypoints, 2))
    visible = np.zeros((number, keypoints))
    for n in range(number):
        place, see = kinds[n % len(kinds)]
        points[n] = _place(place, rng, size, keypoints)
        visible[n] = _see(see, rng, keypoints)
    if number > 1 and draw(st.booleans()):
        points[1] = points[0]  # the same person twice
    return People(points.astype(np.float32), visible.astype(np.float32))


def drawn_both_ways(config, batch, images=None):
    """Draw a batch's targets in the worker and on the device, with GenerateTarget and packing.

    Args:
        config (dict): A codec's.
        batch (list[People]): The people of B images.
        images (list[dict], optional): Auxiliary images of each.

    Returns:
        tuple: The codec and two dicts of tensors.
    """
    drawn = []
    for on_device in (False, True):
        samples = []
        transform = built(GenerateTarget, encoder=dict(config, draw_on_device=on_device))
        for index, (points, visible) in enumerate(batch):
            name = 'transformed_keypoints' if len(points) == 1 else 'keypoints'
            results = dict(
                img=np.zeros((*config['input_size'][::-1], 3), np.uint8),
                keypoints_visible=visible,
                dataset_keypoint_weights=np.ones(visible.shape, np.float32),
                **{name: points},
                **(images[index] if images else {}),
            )
            samples.append(PackPoseInputs()(transform(results))['data_samples'])
        drawn.append(build_codec(config).targets(samples, 'cpu'))
    return build_codec(config), *drawn


_built = {}


def built(maker, *args, **settings):
    """Return ``maker(*args, **settings)``, built once for the same settings."""
    key = f'{maker} {args} {settings}'
    if key not in _built:
        init_default_scope('mmpose')
        _built[key] = maker(*copy.deepcopy(args), **copy.deepcopy(settings))
    return _built[key]


def build_codec(config):
    """Return the codec of a config, built once."""
    return built(KEYPOINT_CODECS.build, config)


def assert_drawn_alike(by_worker, on_device):
    """Check that both ways give the same finite tensors."""
    assert by_worker.keys() == on_device.keys()
    for name, value in by_worker.items():
        assert value.isfinite().all(), name
        torch.testing.assert_close(value, on_device[name], rtol=0, atol=1e-6, msg=name)


#: Scales and kinds of a map's values.
FILLS = ('zero', 'constant', 'noise', 'positive noise', 'negative', 'one cell')


@st.composite
def map_values(draw, shape, fills=FILLS, scales=(1e-6, 1.0, 30.0, 1e6)):
    """Return a strategy for a tensor of any finite values that a model may give."""
    fill, scale = draw(st.sampled_from(fills)), draw(st.sampled_from(scales))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if fill == 'zero':
        values = np.zeros(shape)
    elif fill == 'constant':
        values = np.full(shape, rng.uniform(-1, 1))
    elif fill == 'one cell':
        values = np.zeros(shape)
        values.flat[rng.integers(values.size)] = 1
    elif fill == 'noise':
        values = rng.normal(size=shape)
    else:
        values = rng.uniform(size=shape) * (-1 if fill == 'negative' else 1)
    return torch.from_numpy((values * scale).astype(np.float32))
