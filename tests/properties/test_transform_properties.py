# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""All transforms, and pipelines through mmpose's, on images, boxes and people of any kind."""

import numpy as np
import pytest
import torch
from degenerate_people import build_codec, built, people
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS
from property_settings import holds_for

from mmpose_ext.datasets import ColorJitter, PersonMasks
from mmpose_ext.utils.sequences import zip_equal

K = 17
W, H = 60, 50
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
SEED = st.integers(0, 2**32 - 1)
STRENGTH = st.sampled_from((0.0, 0.4, 1.0))


# -- colors ---------------------------------------------------------------------------------------


@st.composite
def images(draw):
    """Draw an image of at least one pixel: noise, one color, black or white."""
    h, w = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    rng = np.random.default_rng(draw(SEED))
    kind = draw(st.sampled_from(('noise', 'color', 'black', 'white')))
    if kind == 'noise':
        return rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
    color = {'black': 0, 'white': 255}.get(kind, rng.integers(0, 256, 3))
    return np.full((h, w, 3), color, np.uint8)


@holds_for(long=700, image=images(), strengths=st.tuples(STRENGTH, STRENGTH, STRENGTH), seed=SEED)
def test_color_jitter(image, strengths, seed):
    np.random.seed(seed)
    before = image.copy()
    result = ColorJitter(*strengths).transform(dict(img=image))['img']
    assert result.dtype == np.uint8 and result.shape == image.shape
    assert np.array_equal(image, before)
    if not any(strengths):
        assert np.array_equal(result, before)
    if not before.any():
        assert not result.any()  # black stays black: nothing to scale
    if (before == before[..., :1]).all():
        # gray stays gray, up to OpenCV's rounding of the factors to 1/1024
        assert np.ptp(result.astype(int), axis=-1).max() <= 1


# -- masks -----------------------------------------------------------------------------------------

BOXES = ('whole', 'own', 'tiny', 'huge', 'outside', 'point')
SEGMENTS = (None, [], 'polygon', 'rle', 'far polygon', 'line')


def _box(kind, rng, points):
    if kind == 'tiny':
        return [*rng.uniform(0, 40, 2), 1e-3, 1e-3]
    if kind == 'huge':
        return [-1e6, -1e6, 2e6, 2e6]
    if kind == 'outside':
        return [*rng.uniform(100, 1e6, 2), 30, 20]
    if kind == 'point':
        return [10.0, 10.0, 0.0, 0.0]
    if kind == 'own':
        low, high = points.min(0), points.max(0)
        return [*low, *(high - low)]
    return [0, 0, W, H]


def _segmentation(kind, rng):
    if kind == 'rle':
        ends = np.sort(rng.choice(W * H - 1, 2, replace=False)) + 1
        return dict(
            counts=[int(ends[0]), int(ends[1] - ends[0]), int(W * H - ends[1])], size=[H, W]
        )
    if kind == 'polygon':
        return [rng.uniform(-10, 70, 12).tolist(), [1, 2, 3]]  # the second is too short to draw
    if kind == 'far polygon':
        return [rng.uniform(-1e7, 1e7, 8).tolist()]
    if kind == 'line':
        return [[3.0, 3.0, 9.0, 9.0, 9.0, 9.0]]
    return kind


@st.composite
def scenes(draw, numbers=(0, 1, 2, 3, 40)):
    """Draw a bottom-up sample as CocoDataset gives it, before any transform."""
    points, visible = draw(people((W, H), K, numbers=numbers))
    rng = np.random.default_rng(draw(SEED))
    annotations = []
    kinds = draw(
        st.lists(
            st.tuples(st.sampled_from(BOXES), st.sampled_from(SEGMENTS), st.integers(0, 3)),
            min_size=min(3, len(points)),
            max_size=min(3, len(points)),
        )
    )
    for number, (place, seen) in enumerate(zip_equal(points, visible)):
        box, segment, crowd = kinds[number % len(kinds)]
        keypoints = np.concatenate([place, seen[:, None]], 1)
        annotations.append(
            dict(
                bbox=[float(value) for value in _box(box, rng, place)],
                iscrowd=int(crowd == 0),
                keypoints=keypoints.ravel().tolist(),
                segmentation=_segmentation(segment, rng),
            )
        )
    corners = np.array([a['bbox'] for a in annotations], np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return dict(
        img=rng.integers(0, 256, (H, W, 3)).astype(np.uint8),
        img_shape=(H, W),
        ori_shape=(H, W),
        raw_ann_info=annotations,
        keypoints=points,
        keypoints_visible=np.minimum(visible, 1),
        dataset_keypoint_weights=np.ones((len(points), K), np.float32),
        bbox=corners,
        flip_indices=FLIP,
    )


def assert_masks_are_sound(results, size):
    instances, mask = results['instance_map'], results['loss_mask']
    assert instances.shape == mask.shape == size[::-1]
    assert instances.dtype == np.int16 and mask.dtype == np.uint8
    assert instances.min() >= 0 and instances.max() <= len(results['raw_ann_info'])
    assert set(np.unique(mask)) <= {0, 1}


@holds_for(long=600, scene=scenes(), size=st.sampled_from(((2, 2), (15, 13), (60, 50))))
def test_person_masks(scene, size):
    results = PersonMasks(map_size=size)(scene)
    assert_masks_are_sound(results, size)
    crowds = [person['iscrowd'] for person in scene['raw_ann_info']]
    bare = ~(scene['keypoints_visible'] > 0).any(1)
    for number, (crowd, without) in enumerate(zip_equal(crowds, bare)):
        drawn = results['instance_map'] == number + 1
        if crowd:
            assert not drawn.any()
        elif without:  # a body without other annotations
            assert not results['loss_mask'][drawn].any()
    if not any(crowds) and not bare.any():
        assert results['loss_mask'].all()


# as far outside as with one digit too many, and farther than OpenCV can draw
@pytest.mark.parametrize('far', [1e5, 1e6, 1e12])
def test_limbs_that_lead_far_outside(far):
    points = np.full((1, K, 2), 20.0, np.float32)
    points[0, 9] = far
    keypoints = np.concatenate([points[0], np.full((K, 1), 2)], 1).ravel().tolist()
    scene = dict(
        img=np.zeros((H, W, 3), np.uint8),
        raw_ann_info=[dict(bbox=[0, 0, W, H], keypoints=keypoints)],
        keypoints=points,
        keypoints_visible=np.ones((1, K), np.float32),
        flip_indices=FLIP,
    )
    results = PersonMasks(map_size=(15, 13))(scene)
    assert_masks_are_sound(results, (15, 13))
    assert results['instance_map'].any()


# -- pipelines -------------------------------------------------------------------------------------

BOTTOMUP = [
    dict(type='DiskOffset', input_size=(41, 41), map_size=(21, 21), radius=6.0),
    dict(type='ClusterTag', input_size=(48, 48), heatmap_size=(12, 12), clusters=5),
]
TOPDOWN = [
    dict(type='FullResolutionHeatmap', input_size=(24, 32), sigma=2.0),
    dict(type='CompositeLocalization', input_size=(32, 64), stride=16),
]


# mmpose does not train on images without people
@holds_for(
    long=400, scene=scenes(numbers=(1, 2, 3, 40)), codec=st.sampled_from(BOTTOMUP), seed=SEED
)
def test_bottom_up_pipeline(scene, codec, seed):
    """Samples are scaled, rotated, shifted and flipped, and get masks, targets and packing."""
    init_default_scope('mmpose')
    np.random.seed(seed)
    size = codec['input_size']
    steps = [
        dict(type='BottomupRandomAffine', input_size=size, scale_factor=(0.5, 1.5)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PersonMasks', map_size=codec.get('map_size', size)),
    ]
    results = pipeline_of(steps)(scene)
    assert_masks_are_sound(results, codec.get('map_size', size))
    tail = [dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs')]
    packed = pipeline_of(tail)(results)
    drawn = build_codec(codec).targets([packed['data_samples']], 'cpu')
    assert all(value.isfinite().all() for value in drawn.values())


def pipeline_of(steps):
    return Compose([built(TRANSFORMS.build, step) for step in steps])


@st.composite
def boxed_people(draw):
    """Draw a top-down sample: one person in a box of any size above 0, anywhere."""
    points, visible = draw(people((W, H), K, numbers=(1,)))
    side = st.sampled_from((1e-2, 1.0, 20.0, 1e3, 1e5))
    center = st.sampled_from((-1e5, -3.0, 0.0, 25.0, 59.0, 1e5))
    x, y, w, h = draw(st.tuples(center, center, side, side))
    box = np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], np.float32)
    return dict(
        img=np.random.default_rng(draw(SEED)).integers(0, 256, (H, W, 3)).astype(np.uint8),
        img_shape=(H, W),
        bbox=box,
        bbox_score=np.ones(1, np.float32),
        keypoints=points,
        keypoints_visible=np.minimum(visible, 1),
        dataset_keypoint_weights=np.ones((1, K), np.float32),
        flip_indices=FLIP,
        upper_body_ids=list(range(11)),
        lower_body_ids=list(range(11, 17)),
    )


@holds_for(long=400, sample=boxed_people(), codec=st.sampled_from(TOPDOWN), seed=SEED)
def test_top_down_pipeline(sample, codec, seed):
    init_default_scope('mmpose')
    np.random.seed(seed)
    extent = sample['bbox'][0, 2:] - sample['bbox'][0, :2]
    steps = [
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomFlip', direction='horizontal'),
        dict(type='RandomHalfBody'),
        dict(type='RandomBBoxTransform'),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='ColorJitter'),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
    pipeline = pipeline_of(steps)
    if not (extent > 0).all():  # float32 has no box of 0.01 px at 100000 px
        with pytest.raises(ValueError, match='NaN or infinite'):
            pipeline(sample)
        return
    packed = pipeline(sample)
    assert packed['inputs'].shape == (3, *codec['input_size'][::-1])
    drawn = build_codec(codec).targets([packed['data_samples']], 'cpu')
    for name, value in drawn.items():
        assert torch.isfinite(value).all(), name
