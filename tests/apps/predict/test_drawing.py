# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import cv2
import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.visualization import PoseLocalVisualizer

from mmpose_ext.apps.predict.drawing import PictureWriter, draw_people, show
from mmpose_ext.apps.predict.instance_scoring import Person
from mmpose_ext.apps.shared.inputs import Frame, Source

PIXELS = np.full((60, 80, 3), (10, 20, 30), np.uint8)


@pytest.fixture(scope='module')
def visualizer():
    visualizer = PoseLocalVisualizer(name='drawing')
    visualizer.set_dataset_meta(
        parse_pose_metainfo(dict(from_file='configs/_base_/datasets/coco.py'))
    )
    return visualizer


def make_person(x, y, score=0.9, box=True):
    keypoints = np.c_[np.full(17, x), np.full(17, y), np.full(17, score)].astype(float)
    return Person(keypoints, score, np.array([x - 8, y - 8, x + 8, y + 8.0]) if box else None, 9.0)


def changed(picture):
    """Return [x, y] of the changed pixels."""
    return np.argwhere((picture != PIXELS).any(-1))[:, ::-1]


def test_keypoints_are_drawn_where_they_are(visualizer):
    where = changed(draw_people(visualizer, PIXELS, [make_person(20, 30)]))
    assert len(where) and (np.abs(where - [20, 30]) <= 5).all()


@pytest.mark.parametrize(
    'people', [[], [make_person(20, 30, score=0.1)]], ids=['nobody', 'below the threshold']
)
def test_nothing_to_draw(visualizer, people):
    picture = draw_people(visualizer, PIXELS, people)
    assert len(changed(picture)) == 0 and picture is not PIXELS


@pytest.mark.parametrize('box, reach', [(True, 6), (False, 0)])
def test_boxes_where_there_are_some(visualizer, box, reach):
    where = changed(draw_people(visualizer, PIXELS, [make_person(40, 30, box=box)], 0.3, True))
    assert (np.abs(where - [40, 30]).max() > 6) == (reach == 6)


def test_colors_stay_bgr(visualizer):
    picture = draw_people(visualizer, PIXELS, [make_person(20, 30)])
    assert tuple(picture[0, 79]) == (10, 20, 30)


def sources_named(*names, kind='image'):
    return [Source(kind, f'in/{name}', name) for name in names]


def test_pictures_keep_names_and_unusual_kinds_become_png(tmp_path):
    sources = sources_named('a.jpg', 'b.ppm', '../x/a.jpg', 'x_a.jpg')
    writer = PictureWriter(tmp_path / 'out', sources)
    names = [writer.paths[source].name for source in sources]
    assert names == ['a.jpg', 'b.ppm.png', 'x_a.jpg', 'x_a-2.jpg']
    for source in sources:
        writer.write(Frame(source, None, PIXELS), PIXELS)
        assert cv2.imread(str(writer.paths[source])).shape == PIXELS.shape


def test_an_input_is_never_replaced(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), PIXELS)
    with pytest.raises(FileExistsError, match='would replace an input'):
        PictureWriter(tmp_path, [Source('image', str(path), 'a.png')])


def test_one_video_a_source(tmp_path):
    sources = sources_named('a.avi', 'b.avi', kind='video')
    writer = PictureWriter(tmp_path, sources)
    for source in sources:
        for index in range(3):
            writer.write(Frame(source, index, PIXELS, 10.0), PIXELS)
    writer.close()
    for name in ('a.mp4', 'b.mp4'):
        assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_no_display_is_told(monkeypatch):
    def refuse(*args):
        raise cv2.error('The function is not implemented')

    monkeypatch.setattr('cv2.imshow', refuse, raising=False)
    with pytest.raises(RuntimeError, match='Look at the files instead'):
        show(PIXELS, 1)
