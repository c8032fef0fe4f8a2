# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest

from mmpose_ext.visualization.canvas import Canvas, Frame, palette
from mmpose_ext.visualization.skeleton import COLORS, Skeleton

RED = (0, 0, 255)


def blank(width=40, height=30):
    return np.zeros((height, width, 3), np.uint8)


def center_of(picture, zoom):
    """Return the center of gravity of what is drawn on black, in image pixels."""
    y, x = np.nonzero(picture.any(-1))
    return (np.array([x.mean(), y.mean()]) + 0.5) / zoom - 0.5


@pytest.mark.parametrize('zoom', [1, 2, 5])
@pytest.mark.parametrize(
    'frame, expected',
    [
        # (40, 30) input, (10, 15) cells; cell (3, 7)
        (Frame.of_centers((40, 30), (10, 15)), (3 * 4 + 1.5, 7 * 2 + 0.5)),
        (Frame.of_corners((40, 30), (10, 15)), (3 * 39 / 9, 7 * 29 / 14)),
        (Frame((4.0, 2.0)), (12, 14)),
    ],
)
def test_a_cell_is_drawn_where_it_lies(frame, expected, zoom):
    maps = np.zeros((2, 15, 10))
    maps[1, 7, 3] = 1
    canvas = Canvas(blank(), zoom)
    canvas.blend(maps, frame, np.array([[255, 0, 0], RED]), smooth=False)
    assert np.abs(center_of(canvas.picture, zoom) - expected).max() <= 0.5 + 1e-6
    assert not canvas.picture[..., :2].any()  # the second channel's color alone
    assert np.allclose(frame.pixels([3, 7]), expected)


def test_blend_leaves_the_image_where_the_map_is_zero():
    image = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    canvas = Canvas(image)
    maps = np.zeros((1, 30, 40))
    maps[0, 10:20, 10:20] = 1
    canvas.blend(maps, Frame((1.0, 1.0)), np.array([RED]), smooth=False, opacity=1.0)
    changed = (canvas.picture != image).any(-1)
    assert changed[10:20, 10:20].all() and changed.sum() == 100
    assert (canvas.picture[10:20, 10:20] == RED).all()


def test_broken_values_are_no_color():
    canvas = Canvas(blank())
    maps = np.full((1, 30, 40), np.nan)
    canvas.blend(maps, Frame((1.0, 1.0)), np.array([RED]))
    assert not canvas.picture.any()


@pytest.mark.parametrize('zoom', [1, 3])
def test_arrows_go_from_start_to_end(zoom):
    canvas = Canvas(blank(), zoom)
    canvas.arrows(np.array([[5.0, 8.0]]), np.array([[30.0, 8.0]]), RED)
    y, x = np.nonzero(canvas.picture.any(-1))
    low, high = (np.array([x.min(), x.max()]) + 0.5) / zoom - 0.5
    assert abs(low - 5) <= 1 and abs(high - 30) <= 1
    columns = canvas.picture.any(-1).sum(0)
    # the head is at the end
    assert columns[int(27.5 * zoom) : int(30.5 * zoom)].max() > columns[5 * zoom + zoom]


def test_far_points_do_not_overflow():
    canvas = Canvas(blank())
    canvas.lines(np.array([[0.0, 5.0]]), np.array([[1e9, 5.0]]), RED)
    assert canvas.picture[5, 20].any()


def test_nothing_to_draw():
    canvas = Canvas(blank())
    none = np.zeros((0, 2))
    canvas.arrows(none, none, RED)
    canvas.lines(none, none, RED)
    canvas.dots(none, RED)
    assert not canvas.picture.any()


def test_palette_has_different_colors():
    assert len({tuple(color) for color in palette(17)}) == 17
    assert palette(0).shape == (0, 3)


def test_skeleton_draws_the_seen_keypoints_in_their_sides_colors():
    category = dict(keypoints=['nose', 'left_eye', 'right_eye'], skeleton=[[1, 2], [1, 3]])
    canvas = Canvas(blank())
    keypoints = np.array([[5.0, 5.0], [15.0, 5.0], [5.0, 20.0]])
    Skeleton.from_category(category).draw(canvas, keypoints, np.array([True, True, False]))
    assert tuple(canvas.picture[5, 15]) == COLORS['left']
    assert tuple(canvas.picture[5, 5]) == COLORS['middle']
    assert not canvas.picture[12:].any()  # neither the invisible eye nor the line to it is drawn
