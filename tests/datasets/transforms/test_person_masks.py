# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import time

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS

from mmpose_ext.apps.benchmark.people import STANDING
from mmpose_ext.codecs import DiskOffset
from mmpose_ext.datasets import CheckedCocoDataset, PersonMasks
from mmpose_ext.models.losses import DiskOffsetLoss

W, H, K = 120, 100, 17
STILL = dict(shift_prob=0.0, scale_prob=0.0, rotate_prob=0.0)
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def ellipse(x, y, a, b, corners=40):
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    points = np.stack([x + a * np.cos(angles), y + b * np.sin(angles)], -1)
    return points.round(2).ravel().tolist()


def rle_of(polygon, compressed):
    """Return the region as an RLE, with its counts as bytes or as in COCO's crowds."""
    rle = coco_mask.merge(coco_mask.frPyObjects([polygon], H, W))
    if compressed:
        return rle
    flat = coco_mask.decode(rle).ravel(order='F')
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    counts = np.diff([0, *changes, flat.size]).tolist()
    return dict(counts=counts, size=[H, W])


def person(box, segmentation, points=None, crowd=0):
    keypoints = np.zeros((K, 3))
    if points is not None:
        keypoints[: len(points), :2], keypoints[: len(points), 2] = points, 2
    annotation = dict(bbox=box, iscrowd=crowd, keypoints=keypoints.ravel().tolist())
    if segmentation is not None:
        annotation['segmentation'] = segmentation
    return annotation


def sample(*people):
    keypoints = np.array([p['keypoints'] for p in people], np.float32).reshape(-1, K, 3)
    return dict(
        img=np.zeros((H, W, 3), np.uint8),
        img_shape=(H, W),
        ori_shape=(H, W),
        raw_ann_info=list(people),
        keypoints=keypoints[..., :2],
        keypoints_visible=np.minimum(keypoints[..., 2], 1),
        bbox=np.array([[x, y, x + w, y + h] for x, y, w, h in (p['bbox'] for p in people)]),
        flip_indices=FLIP,
    )


def scene(first='polygon'):
    """Return two people with keypoints, one without, and a crowd, apart from each other."""
    one = ellipse(30, 40, 15, 25)
    first = [one] if first == 'polygon' else rle_of(one, first == 'rle')
    return sample(
        person([15, 15, 30, 50], first, [[30.0, 30.0], [33.0, 28.0]]),
        person([60, 15, 30, 40], [ellipse(75, 35, 15, 10)], [[75.0, 35.0]]),
        person([20, 75, 30, 20], [ellipse(35, 85, 15, 9)]),
        person([70, 60, 40, 30], rle_of(ellipse(90, 75, 18, 14), False), crowd=1),
    )


def painted(results):
    """Paint the segments into the sample's image, with 50 times the person's number + 1."""
    for number, one in enumerate(results['raw_ann_info']):
        segmentation = one['segmentation']
        if isinstance(segmentation, dict) and isinstance(segmentation['counts'], list):
            segmentation = coco_mask.frPyObjects(segmentation, H, W)
        elif isinstance(segmentation, list):
            segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, H, W))
        results['img'][coco_mask.decode(segmentation) > 0] = 50 * (number + 1)
    return results


# case: kind of the first person's segmentation
@pytest.mark.parametrize('kind', ['polygon', 'rle', 'uncompressed rle'])
# case: map of the input's size, of a part of its cells
@pytest.mark.parametrize('cells', [97, 25])
# case: only resized; scaled, shifted and rotated; the same and flipped
@pytest.mark.parametrize('case', ['resize', 'affine', 'flip'])
def test_masks_move_as_the_image_does(case, cells, kind):
    np.random.seed(3)
    affine = dict(type='BottomupRandomAffine', input_size=(97, 97), scale_factor=(0.8, 1.2))
    steps = {
        'resize': [dict(affine, **STILL, scale_type='long')],
        'affine': [affine],
        'flip': [affine, dict(type='RandomFlip', prob=1.0)],
    }[case]
    results = painted(scene(kind))
    results = Compose([TRANSFORMS.build(step) for step in steps])(results)
    results = PersonMasks(map_size=(cells, cells))(results)
    step = 96 // (cells - 1)
    seen = np.rint(results['img'][::step, ::step, 0] / 50).astype(int)
    pure = results['img'][::step, ::step, 0] % 50 == 0  # not between two regions
    expected = np.where(seen <= 3, seen, 0)  # the person without keypoints too, no crowd
    assert results['instance_map'].shape == results['loss_mask'].shape == (cells, cells)
    assert results['instance_map'].dtype == np.int16
    assert (results['instance_map'] == expected)[pure].mean() > 0.99
    assert (results['loss_mask'] == (seen <= 2))[pure].mean() > 0.99
    for value in (1, 2, 3):
        assert (expected == value).sum() > 5
    assert (results['loss_mask'] == 0).sum() > 10


def test_without_a_segmentation_the_limbs_are_drawn():
    """Shoulders, hips and a left arm give a trunk and limbs, and nothing elsewhere."""
    points = np.zeros((K, 2))
    points[[5, 6, 11, 12, 7]] = [[70, 20], [40, 20], [65, 60], [45, 60], [100, 20]]
    annotation = person([35, 15, 70, 50], None)
    keypoints = np.zeros((K, 3))
    keypoints[[5, 6, 11, 12, 7], :2] = points[[5, 6, 11, 12, 7]]
    keypoints[[5, 6, 11, 12, 7], 2] = 2
    annotation['keypoints'] = keypoints.ravel().tolist()
    drawn = PersonMasks(map_size=(W, H))(sample(annotation))['instance_map']
    radius = 0.05 * np.hypot(60, 40)
    for x, y, inside in [
        (55, 40, True),  # in the trunk
        (85, 20, True),  # on the arm
        (85, 20 + radius - 1, True),
        (85, 20 + radius + 2, False),
        (20, 20, False),
        (90, 60, False),
    ]:
        assert (drawn[round(y), x] == 1) == inside, (x, y)


def test_limbs_are_those_of_the_codec():
    """Cells of a person without a segmentation are those of the codec's hull, but for its border.

    At the border, the transform's maps are the nearest pixels.
    """
    points = (STANDING[None] * 85 + (60, 6)).astype(np.float32)
    annotation = person([10, 10, 80, 80], None, points[0])
    drawn = PersonMasks(map_size=(W, H))(sample(annotation))['instance_map']
    codec = DiskOffset((W, H), radius=4)
    hull = codec.encode(points)['body_heatmaps'][0] > 0
    assert hull.sum() > 1000
    assert ((drawn > 0) != hull).sum() < 0.1 * hull.sum()


def test_one_keypoint_is_a_disk_and_empty_segmentations_count_as_none():
    for segmentation in (None, [], [[1.0, 2.0]]):
        annotation = person([40, 40, 20, 20], segmentation, [[50.0, 45.0]])
        drawn = PersonMasks(map_size=(W, H))(sample(annotation))['instance_map']
        y, x = np.nonzero(drawn)
        assert np.hypot(x - 50, y - 45).max() == pytest.approx(4, abs=0.6)
        assert len(x) == pytest.approx(np.pi * 16, rel=0.2)


def test_people_without_keypoints_are_bodies_without_offsets():
    """The codec draws only their body, and the loss counts only this."""
    results = PersonMasks(map_size=(W, H))(scene())
    images = {name: results[name] for name in ('instance_map', 'loss_mask')}
    codec = DiskOffset((W, H), (W, H))
    maps = codec.encode(results['keypoints'], results['keypoints_visible'], **images)
    unknown, crowd = (slice(80, 91), slice(28, 43)), (slice(70, 81), slice(80, 101))
    for rows, columns in (unknown, crowd):
        assert not maps['loss_weights'][:, rows, columns].any()
        for name in ('heatmaps', 'long_weights', 'long_offsets', 'mid_weights'):
            assert not maps[name][:, rows, columns].any()
    assert maps['body_heatmaps'][0][unknown].all()
    assert not maps['body_heatmaps'][0][crowd].any()

    targets = {name: torch.from_numpy(value)[None] for name, value in maps.items()}
    logits = torch.zeros_like(targets['body_heatmaps']).requires_grad_()
    predicted = dict(targets, body_heatmaps=logits)
    losses = DiskOffsetLoss()(predicted, predicted, targets, codec.radius)
    losses['loss_body'].backward()
    assert (logits.grad[0, 0][unknown] < 0).all()  # towards 1
    assert (logits.grad[0, 0][crowd] == 0).all()


def test_people_without_keypoints_and_segmentation_are_left_out_by_their_box():
    results = PersonMasks(map_size=(W, H))(sample(person([40, 30, 20, 10], None)))
    y, x = np.nonzero(results['loss_mask'] == 0)
    assert (x.min(), x.max(), y.min(), y.max()) == (40, 60, 30, 40)
    assert not results['instance_map'].any()


def test_the_smaller_person_is_in_front():
    big = person([10, 10, 80, 80], [ellipse(50, 50, 40, 40)], [[50.0, 50.0]])
    small = person([40, 40, 20, 20], [ellipse(50, 50, 10, 10)], [[50.0, 50.0]])
    for people, front in (((big, small), 2), ((small, big), 1)):
        drawn = PersonMasks(map_size=(W, H))(sample(*people))['instance_map']
        assert drawn[50, 50] == front and drawn[50, 20] == 3 - front


def test_a_person_outside_the_input_and_an_image_without_people():
    results = sample(person([10, 10, 30, 30], [ellipse(25, 25, 15, 15)], [[25.0, 25.0]]))
    results['warp_mat'] = np.array([[1.0, 0, -1000], [0, 1, 0]])
    results['keypoints'] = results['keypoints'] + np.array([-1000, 0])
    assert not PersonMasks(map_size=(30, 25))(results)['instance_map'].any()
    empty = dict(img=np.zeros((H, W, 3), np.uint8), raw_ann_info=None)
    results = PersonMasks(map_size=(30, 25))(empty)
    assert not results['instance_map'].any() and results['loss_mask'].all()


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(warp_mat=np.eye(3) + 1e-2), 'perspective'),
        (dict(flip=True, flip_direction='vertical'), 'only RandomFlip'),
        (dict(warp_mat=np.array([[1.0, 0, 7], [0, 1, 0]])), 'up to 7.0 px away'),
        (dict(flip=True, flip_direction='horizontal'), 'RandomFlip'),  # recorded but not done
        (dict(raw_ann_info=[dict()]), "data_mode='bottomup'"),
        (dict(input_scale=np.array([W, H])), 'BottomupResize moves the image'),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PersonMasks(map_size=(30, 25))(dict(scene(), **change))
    with pytest.raises(ValueError, match='map_size'):
        PersonMasks(map_size=(1, 25))


@pytest.mark.parametrize('flip', [False, True])
def test_more_keypoints_than_the_annotations_have(flip):
    """COCO-WholeBody keeps feet, face and hands apart; KeypointConverter changes the number."""
    results = scene()
    people = len(results['keypoints'])
    results['keypoints'] = np.concatenate([results['keypoints'], np.ones((people, 6, 2))], 1)
    visible = [results['keypoints_visible'], np.zeros((people, 6), np.float32)]
    results['keypoints_visible'] = np.concatenate(visible, 1)
    results['flip_indices'] = [*FLIP, 20, 21, 22, 17, 18, 19]
    if flip:
        results.update(flip=True, flip_direction='horizontal')
    masks = PersonMasks(map_size=(30, 25), instance_map=False)(results)
    plain = PersonMasks(map_size=(30, 25), instance_map=False)(scene())['loss_mask']
    assert 0 < masks['loss_mask'].mean() < 1
    if not flip:
        np.testing.assert_array_equal(masks['loss_mask'], plain)


def test_flip_before_the_affine_is_refused():
    np.random.seed(0)
    steps = [
        dict(type='RandomFlip', prob=1.0),
        dict(type='BottomupRandomAffine', input_size=(97, 97)),
        dict(type='PersonMasks', map_size=(25, 25)),
    ]
    with pytest.raises(ValueError, match='in this order'):
        Compose([TRANSFORMS.build(step) for step in steps])(scene())


def test_real_images_reach_the_pipeline_with_their_segmentations(shared_data):
    root = shared_data / 'coco-real'
    dataset = CheckedCocoDataset(
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        data_mode='bottomup',
        pipeline=[
            dict(type='LoadImage'),
            dict(type='BottomupRandomAffine', input_size=(401, 401)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PersonMasks', map_size=(101, 101)),
        ],
    )
    seconds = []
    transform = dataset.pipeline.transforms[-1]
    for index in range(0, len(dataset), 10):
        results = dataset[index]
        assert results['instance_map'].max() <= len(results['keypoints'])
        started = time.perf_counter()
        transform(results)
        seconds.append(time.perf_counter() - started)
    assert np.median(seconds) < 0.2  # about 1 ms on a free core
