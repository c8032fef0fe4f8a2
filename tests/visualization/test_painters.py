# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Each painter changes pixels at the codec's targets, and nowhere else."""

import numpy as np
import pytest
from mmpose.codecs import MSRAHeatmap, SimCCLabel, UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS

import mmpose_ext.codecs
from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.visualization import Scene, paint, painter_of
from mmpose_ext.visualization.painters import paint_fields

SIZE = (129, 97)  # [w, h] of bottom-up inputs: align-corners maps
TOP_DOWN = (64, 96)


def encode(cfg, keypoints, **auxiliary):
    """Make a black scene with the targets of people (N, K, 2)."""
    codec = KEYPOINT_CODECS.build(cfg)
    visible = np.isfinite(keypoints).all(-1).astype(np.float32)
    encoded = codec.encode(np.nan_to_num(keypoints).astype(np.float32), visible, **auxiliary)
    names = getattr(codec, 'map_names', ('heatmaps',))
    maps = {name: np.asarray(encoded[name], np.float32) for name in names}
    labels = {name: value for name, value in encoded.items() if name not in names}
    w, h = codec.input_size
    return Scene(np.zeros((h, w, 3), np.uint8), codec, maps, labels)


def people(number, num_keypoints=17, at=((30.0, 40.0), (100.0, 60.0))):
    """Return people whose keypoints lie in a row, with only the first 6 labeled."""
    keypoints = np.full((number, num_keypoints, 2), np.nan)
    for n in range(number):
        keypoints[n, :6] = np.asarray(at[n]) + np.stack([np.arange(6) * 3.0, np.zeros(6)], -1)
    return keypoints


def drawn(tile):
    return tile.picture.any(-1)


def distances(shape, keypoints):
    """Return each pixel's distance (h, w) to the nearest labeled keypoint."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    points = keypoints[np.isfinite(keypoints).all(-1)]
    return np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1]).min(-1)


ONE = dict(num_keypoints=17, at=((20.0, 50.0),))
CASES = {
    # codec, number of people, distances (in pixels): all drawn within, none drawn beyond
    'composite': (dict(type='CompositeLocalization', input_size=TOP_DOWN), 1, 4, 64),
    'full resolution': (dict(type='FullResolutionHeatmap', input_size=TOP_DOWN, sigma=3), 1, 3, 12),
    'disks': (dict(type='DiskOffset', input_size=SIZE, map_size=(65, 49), radius=6), 2, 4, 9),
    'clusters': (
        dict(type='ClusterTag', input_size=(128, 96), heatmap_size=(64, 48), clusters=5), 2, 3, 17,
    ),
    'MSRA': (dict(type=MSRAHeatmap, input_size=TOP_DOWN, heatmap_size=(32, 48), sigma=1), 1, 2, 9),
    'UDP': (dict(type=UDPHeatmap, input_size=TOP_DOWN, heatmap_size=(32, 48), sigma=1), 1, 2, 9),
}  # fmt: skip


@pytest.mark.parametrize('name', CASES)
def test_heatmaps_are_drawn_at_the_keypoints(name):
    cfg, number, inner, outer = CASES[name]
    keypoints = people(number) if number > 1 else people(1, **ONE)
    scene = encode(cfg, keypoints)
    marked = drawn(paint(scene)[0])
    distance = distances(marked.shape, keypoints)
    assert marked[distance <= inner].all()
    assert not marked[distance > outer].any()


@pytest.mark.parametrize(
    'cfg, size',
    [
        (dict(type='FullResolutionHeatmap', sigma=3), (64, 96)),
        (dict(type='DiskOffset', map_size=(33, 25), radius=12), (129, 97)),
        (dict(type='ClusterTag', heatmap_size=(32, 24), clusters=17, sigma=1), (128, 96)),
        (dict(type=UDPHeatmap, heatmap_size=(16, 24), sigma=1), (64, 96)),
        (dict(type=MSRAHeatmap, heatmap_size=(16, 24), sigma=1, unbiased=True), (64, 96)),
    ],
    ids=['full resolution', 'disks', 'clusters', 'UDP', 'MSRA'],
)
@pytest.mark.parametrize('point', [(20.0, 20.0), (43.0, 75.0)])
def test_cells_are_drawn_in_the_codecs_own_frame(cfg, size, point):
    keypoints = np.full((1, 17, 2), np.nan)
    keypoints[0, 4] = point
    picture = paint(encode(dict(cfg, input_size=size), keypoints))[0].picture.sum(-1)
    y, x = np.mgrid[: size[1], : size[0]]
    center = np.array([(picture * x).sum(), (picture * y).sum()]) / picture.sum()
    assert np.abs(center - point).max() < 0.8  # at stride 4 another frame is off by up to 1.5


@pytest.mark.parametrize('name', CASES)
def test_an_empty_scene_stays_black(name):
    cfg, number, *_ = CASES[name]
    scene = encode(cfg, np.full((number, 17, 2), np.nan))
    assert not any(drawn(tile).any() for tile in paint(scene))


def test_offsets_of_composite_localization_point_to_the_keypoint():
    keypoints = np.full((1, 17, 2), np.nan)
    keypoints[0, 3] = (37.0, 41.0)
    tiles = paint(encode(dict(type='CompositeLocalization', input_size=TOP_DOWN), keypoints))
    assert tuple(tiles[1].picture[41, 37]) == (255, 255, 255)
    # wrong offsets are drawn where they point to
    scene = encode(dict(type='CompositeLocalization', input_size=TOP_DOWN), keypoints)
    scene.maps['offsets'][17:] += 1  # the x-offsets, by one cell of 16 pixels
    moved = paint(scene)[1].picture
    assert tuple(moved[41, 53]) == (255, 255, 255) and tuple(moved[41, 37]) != (255, 255, 255)


def test_offsets_of_disks_are_drawn_along_their_way():
    keypoints = np.full((1, 17, 2), np.nan)
    keypoints[0, [5, 7]] = [(20.0, 30.0), (100.0, 30.0)]  # shoulder to elbow
    scene = encode(dict(type='DiskOffset', input_size=SIZE, map_size=SIZE, radius=5), keypoints)
    tiles = {tile.caption.split(',')[0].split(' to')[0]: drawn(tile) for tile in paint(scene)}
    assert tiles['mid offsets'][30, 60] and not tiles['short offsets'][30, 60]
    assert tiles['short offsets'][30, 20] and tiles['short offsets'][30, 100]
    assert tiles['long offsets'].any() and not tiles['long offsets'][:15].any()


def test_disks_mark_what_the_loss_leaves_out():
    mask = np.ones((49, 65), np.uint8)
    mask[:, 40:] = 0
    cfg = dict(type='DiskOffset', input_size=SIZE, map_size=(65, 49), radius=6)
    body = paint(encode(cfg, people(1), loss_mask=mask))[-1]
    assert 'red' in body.caption
    right = body.picture[:, 85:]
    assert (right[..., 2] > right[..., 0]).all() and not body.picture[:, :20].any()


def test_trained_tags_are_at_the_keypoints_in_each_persons_color():
    keypoints = people(2)
    cfg = dict(type='ClusterTag', input_size=(128, 96), heatmap_size=(64, 48), clusters=5)
    picture = paint(encode(cfg, keypoints))[1].picture
    first, second = (tuple(picture[round(p[1]), round(p[0])]) for p in keypoints[:, 0])
    assert any(first) and any(second) and first != second


def test_predicted_tags_are_drawn_by_value():
    cfg = dict(type='ClusterTag', input_size=(128, 96), heatmap_size=(64, 48), clusters=5)
    scene = encode(cfg, people(2))
    scene.labels = {}
    scene.maps['tags'] = np.zeros_like(scene.maps['heatmaps'])
    scene.maps['tags'][:, :, 32:] = 5.0
    tile = paint(scene)[1]
    left, right = tile.picture[40, 30].astype(int), tile.picture[60, 100].astype(int)
    assert left[0] > left[2] and right[2] > right[0]  # low is blue, high is red
    assert not tile.picture[:10].any()


def test_an_unknown_codec_gets_its_fields_drawn():
    maps = np.zeros((3, 12, 8), np.float32)
    maps[1, 6, 4] = 1
    scene = Scene(np.zeros((96, 64, 3), np.uint8), object(), dict(some=maps, flat=maps[0, 0]))
    (tile,) = paint(scene)
    assert tile.caption.startswith('some')
    marked = drawn(tile)
    assert marked[52, 36] and not marked[:32].any()


def test_a_subclass_is_painted_like_its_base():
    class Own(UDPHeatmap):
        pass

    codec = Own(input_size=(64, 96), heatmap_size=(16, 24))
    assert painter_of(codec) is painter_of(UDPHeatmap((64, 96), (16, 24)))
    assert painter_of(SimCCLabel(input_size=(64, 96))) is paint_fields


def test_each_codec_here_has_a_painter_of_its_stem():
    codecs = [getattr(mmpose_ext.codecs, name) for name in mmpose_ext.codecs.__all__]
    codecs = [c for c in codecs if isinstance(c, type) and issubclass(c, BaseTorchCodec)]
    for codec in codecs:
        if codec is BaseTorchCodec:
            continue
        stem = codec.__module__.split('.')[2]  # mmpose_ext.codecs.STEM
        painter = painter_of(codec.__new__(codec))
        assert painter.__module__ == f'mmpose_ext.visualization.{stem}'
