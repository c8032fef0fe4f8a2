# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
from media_files import FakeCapture, write_picture, write_video

from mmpose_ext.apps.shared.inputs import Source, count_frames, expand_inputs, read_frames


def test_folder_gives_its_images_sorted_and_once(tmp_path):
    for name in ('b.png', 'a.JPG', 'sub/c.png'):
        write_picture(tmp_path / name)
    (tmp_path / 'notes.txt').write_text('x')
    sources, failures = expand_inputs([tmp_path, tmp_path / 'b.png'])
    assert [source.name for source in sources] == ['a.JPG', 'b.png']
    assert not failures


def test_files_of_one_name_are_called_by_their_paths(tmp_path):
    files = [write_picture(tmp_path / name) for name in ('x/1.png', 'y/1.png', 'y/2.png')]
    sources, _ = expand_inputs(files)
    assert [source.name for source in sources] == [*(f.as_posix() for f in files[:2]), '2.png']


@pytest.mark.parametrize('given', ['1', 1, 'webcam:1', ['webcam:1', 1]])
def test_webcams(given):
    assert expand_inputs(given) == ([Source('webcam', '1', 'webcam1')], [])


def test_a_file_named_like_a_webcam_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / '0').write_bytes(write_picture(tmp_path / 'x.png').read_bytes())
    assert expand_inputs('0')[0] == [Source('image', '0', '0')]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'not a picture')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'bad.mp4').write_bytes(b'not a video')
    (tmp_path / 'folder').mkdir()
    good = write_picture(tmp_path / 'good.png')
    names = ['bad.png', 'empty.png', 'bad.mp4', 'missing.png', 'folder']
    sources, failures = expand_inputs([*(tmp_path / name for name in names), good])
    frames = list(read_frames(sources, failures))
    assert [frame.name for frame in frames] == ['good.png']
    told = {failure.path.rsplit('/', 1)[1]: failure.reason for failure in failures}
    assert set(told) == set(names)
    assert told['missing.png'] == 'no such file or folder'
    assert 'holds no .jpg' in told['folder']
    assert told['bad.png'] == 'not an image, cut short or damaged'
    assert told['bad.mp4'] == 'not a video, cut short or damaged'


def test_an_unreadable_file_is_told(tmp_path, monkeypatch):
    source, failures = Source('image', str(write_picture(tmp_path / 'a.png')), 'a'), []

    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('mmcv.imread', refuse)
    assert not list(read_frames([source], failures))
    assert 'Permission denied' in str(failures[0])


@pytest.mark.parametrize('limit, number', [(None, 5), (2, 2), (9, 5)])
def test_video_frames_in_order(tmp_path, limit, number):
    sources, failures = expand_inputs(write_video(tmp_path / 'clip.avi'))
    frames = list(read_frames(sources, failures, limit))
    assert [frame.name for frame in frames] == [f'clip.avi#{i}' for i in range(number)]
    assert count_frames(sources, limit) == number
    means = [frame.pixels.mean() for frame in frames]
    np.testing.assert_allclose(means, 40 * np.arange(number), atol=3)
    assert frames[0].fps == 10 and frames[0].pixels.shape == (24, 32, 3)
    assert not failures


def test_a_video_cut_short_gives_its_frames_and_is_told(tmp_path):
    path = write_video(tmp_path / 'clip.avi', frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sources, failures = expand_inputs(path)
    frames = list(read_frames(sources, failures))
    assert 0 < len(frames) < 40
    assert f'ends after {len(frames)} of its' in str(failures[0])


@pytest.mark.parametrize('limit, number', [(None, 3), (2, 2)])
def test_webcam_frames(monkeypatch, limit, number):
    monkeypatch.setattr('cv2.VideoCapture', FakeCapture)
    sources, failures = expand_inputs('0')
    assert count_frames(sources, limit) == limit
    frames = list(read_frames(sources, failures, limit))
    assert [frame.name for frame in frames] == [f'webcam0#{i}' for i in range(number)]
    assert frames[0].fps == 25  # where the webcam tells none
    assert FakeCapture.last.released and not failures


def test_a_missing_webcam_is_told(monkeypatch):
    monkeypatch.setattr('cv2.VideoCapture', FakeCapture)
    sources, failures = expand_inputs(3)
    assert not list(read_frames(sources, failures))
    assert str(failures[0]) == 'webcam3: no such webcam, or in use'
