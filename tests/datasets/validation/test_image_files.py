# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import cv2
import numpy as np
import pytest
from PIL import Image

from mmpose_ext.datasets.validation import missing_files
from mmpose_ext.datasets.validation.image_files import read_image_file

DEPTHS = ('files', 'headers', 'images')


def found(report) -> set:
    return {(f.kind, f.id, f.annotation_ids) for f in report.findings}


@pytest.fixture
def jpeg(images) -> bytes:
    picture = cv2.imread(str(images / '1.png'))
    return cv2.imencode('.jpg', picture)[1].tobytes()


@pytest.mark.parametrize('depth', DEPTHS)
def test_good_images(look, content, images, depth):
    report = look(content, images, depth)
    assert report.findings == [] and report.files_checked == 3


def test_default_depth(look, content, images):
    assert look(content).depth == 'annotations'
    assert look(content, images).depth == 'files'


@pytest.mark.parametrize('depth', DEPTHS)
def test_missing_image_names_its_annotations(look, content, images, depth):
    (images / '1.png').unlink()
    (images / '3.png').unlink()
    report = look(content, images, depth)
    assert found(report) == {('image-missing', 1, (11, 12)), ('image-missing', 3, ())}
    lines = list(report.by_annotation())
    assert 'annotation 11 (image 1, 1.png)' in lines and 'annotation 12 (image 1, 1.png)' in lines
    assert 'image 3 (3.png), no annotations' in lines
    assert any('image-missing' in line and str(images / '1.png') in line for line in lines)


def test_missing_folder(look, content, tmp_path):
    assert len(look(content, tmp_path / 'none').findings) == 3


def test_file_names_in_folders_and_remote(look, content, images):
    (images / 'a').mkdir()
    (images / '2.png').rename(images / 'a' / '2.png')
    content['images'][1]['file_name'] = 'a/2.png'
    report = look(content, images, 'images')
    assert report.findings == [] and report.files_checked == 3
    assert look(content, 's3://bucket/images', 'images').files_checked == 0  # not looked for


def test_a_url_in_a_folder_is_missing(look, content, images):
    content['images'][2]['file_name'] = 'https://host/3.png'
    assert found(look(content, images, 'images')) == {('image-missing', 3, ())}


@pytest.mark.parametrize('depth', ['headers', 'images'])
@pytest.mark.parametrize(
    'data', [b'', b'no image', b'\x89PNG\r\n\x1a\n' + b'\x00' * 50, b'\xff\xd8\xff\xe0']
)
def test_unreadable_image(look, content, images, depth, data):
    (images / '2.png').write_bytes(data)
    report = look(content, images, depth)
    assert found(report) == {('image-unreadable', 2, (13,))}
    assert str(images / '2.png') in report.findings[0].detail
    assert look(content, images, 'files').findings == []


@pytest.mark.parametrize('depth', ['headers', 'images'])
@pytest.mark.parametrize('kind', ['jpg', 'png'])
@pytest.mark.parametrize('keep', [0.3, 0.6, 0.9, -2])
def test_truncated_image(look, content, images, jpeg, depth, kind, keep):
    data = jpeg if kind == 'jpg' else (images / '2.png').read_bytes()
    data = data[:keep] if keep < 0 else data[: int(len(data) * keep)]
    (images / f'cut.{kind}').write_bytes(data)
    content['images'][1]['file_name'] = f'cut.{kind}'
    assert ('image-truncated', 2, (13,)) in found(look(content, images, depth))


@pytest.mark.parametrize('padding', [b'\0' * 10, b'\0' * 5000])
def test_whole_jpeg_with_bytes_after_its_end(look, content, images, jpeg, padding):
    (images / '2.png').write_bytes(jpeg + padding)
    assert look(content, images, 'headers').findings == []
    assert look(content, images, 'images').findings == []


def test_jpeg_whose_end_is_zeros(look, content, images, jpeg):
    # as a download into a file of the full size leaves it
    half = len(jpeg) // 2
    (images / '2.png').write_bytes(jpeg[:half] + b'\0' * half)
    assert ('image-truncated', 2, (13,)) in found(look(content, images, 'headers'))


def test_end_of_the_thumbnail_is_not_the_images(look, content, images, jpeg):
    # an APP1 segment that holds a whole JPEG, as cameras write it
    segment = b'\xff\xe1' + (len(jpeg) + 2).to_bytes(2, 'big') + jpeg
    whole = jpeg[:2] + segment + jpeg[2:]
    (images / '2.png').write_bytes(whole + b'\0' * 5000)
    assert look(content, images, 'headers').findings == []
    (images / '2.png').write_bytes(whole[: len(whole) - len(jpeg) // 2] + b'\0' * 5000)
    assert ('image-truncated', 2, (13,)) in found(look(content, images, 'headers'))


@pytest.mark.parametrize('depth', ['headers', 'images'])
def test_wrong_size(look, content, images, depth):
    content['images'][1].update(width=90, height=100)
    report = look(content, images, depth)
    assert found(report) == {('image-size', 2, (13,))}
    assert '100x90, annotated as 90x100' in report.findings[0].detail


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientation_is_opencvs(images, orientation):
    picture = Image.open(images / '1.png').convert('RGB')
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(images / 'turned.jpg')
    picture.save(path, exif=exif)
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert read_image_file(path, decode=False) == ('', '', decoded.shape[1::-1])


def test_unknown_size_is_taken_from_the_image(look, content, images):
    for image in content['images']:
        del image['width'], image['height']
    content['annotations'][0]['keypoints'][0] = 150
    assert 'keypoints-outside' not in {f.kind for f in look(content, images, 'files').findings}
    report = look(content, images, 'headers')
    assert ('keypoints-outside', 11, ()) in found(report)


def test_format_that_opencv_does_not_know(look, content, images):
    Image.new('RGB', (100, 90)).save(images / '2.png', format='PCX')
    known = cv2.haveImageReader(str(images / '2.png'))
    report = look(content, images, 'headers')
    assert found(report) == (set() if known else {('image-unreadable', 2, (13,))})


def test_workers_give_the_same(look, content, images):
    (images / '1.png').write_bytes(b'no image')
    reports = [look(content, images, 'images', workers=workers) for workers in (1, 4)]
    assert reports[0].to_dict() == reports[1].to_dict()


def test_missing_files_keeps_order_and_leaves_remote_ones():
    paths = ['/nowhere/b.jpg', '/nowhere/a.jpg', '/nowhere/b.jpg', 's3://bucket/c.jpg']
    assert missing_files(paths) == ['/nowhere/b.jpg', '/nowhere/a.jpg']
