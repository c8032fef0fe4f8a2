# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import LoadImage

from mmpose_ext.datasets.transforms import LoadTurboJpegImage, turbojpeg_image

installed = pytest.mark.skipif(
    not turbojpeg_image.has_turbojpeg(), reason='PyTurboJPEG is not installed'
)


def write(path, size=(37, 22)):
    """Write smooth noise, which JPEG stores well."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8), size)
    assert cv2.imwrite(str(path), image)
    return str(path)


def with_exif(path, orientation):
    """Add an EXIF block with an orientation to a JPEG."""
    tiff = (
        b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0' + bytes([orientation, 0, 0, 0]) + b'\0' * 4
    )
    body = b'Exif\0\0' + tiff
    segment = b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body
    content = path.read_bytes()
    path.write_bytes(content[:2] + segment + content[2:])


@installed
@pytest.mark.parametrize(
    'name, exif, inside',
    [
        ('a.jpg', None, True),
        ('a.png', None, False),  # another format
        ('turned.jpg', 6, False),  # to be turned, which OpenCV does
    ],
)
def test_loads_what_opencv_does(tmp_path, name, exif, inside):
    path = write(tmp_path / name)
    if exif:
        with_exif(tmp_path / name, exif)
    assert (turbojpeg_image.decode((tmp_path / name).read_bytes()) is not None) == inside
    ours = LoadTurboJpegImage()(dict(img_path=path))
    theirs = LoadImage()(dict(img_path=path))
    assert ours.keys() == theirs.keys()
    assert ours['ori_shape'] == theirs['ori_shape'] == ((37, 22) if exif else (22, 37))
    assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 2


@installed
def test_no_image_fails_as_ever(tmp_path):
    """A file that begins like a JPEG but is none fails as in mmpose."""
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8 nothing')
    for transform in (LoadTurboJpegImage(), LoadImage()):
        with pytest.raises(AssertionError, match='failed to load'):
            transform(dict(img_path=str(tmp_path / 'a.jpg')))


@installed
def test_gray_is_refused():
    with pytest.raises(ValueError, match='color_type'):
        LoadTurboJpegImage(color_type='grayscale')


def test_missing_library_is_told(monkeypatch):
    monkeypatch.setattr(turbojpeg_image, '_decoder', lambda: None)
    with pytest.raises(ImportError, match='pip install PyTurboJPEG'):
        LoadTurboJpegImage()
