# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Late decoding against mmcv's decoding of the whole image."""

import io
from itertools import product

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from mmpose_ext.datasets.fast import EncodedImage, encoded_image
from mmpose_ext.datasets.fast.deferred_image import FLIPS, warp_pixels
from mmpose_ext.datasets.fast.encoded_image import cut_below
from mmpose_ext.datasets.fast.warp_geometry import (
    enlargement,
    largest_scale,
    reduction,
    source_box,
    unflipped,
)

from .conftest import KINDS, encode, make_picture

ALL_KINDS = [*KINDS, *(f'exif{n}' for n in (2, 4, 5, 7))]


@pytest.fixture(params=['with', 'without'])
def _simplejpeg(request, monkeypatch):
    """Where simplejpeg is installed, and where it isn't."""
    if request.param == 'without':
        monkeypatch.setattr(encoded_image, 'simplejpeg', None)
    elif encoded_image.simplejpeg is None:
        pytest.skip('simplejpeg is not installed')


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('kind', ALL_KINDS)
def test_size_and_pixels_are_mmcvs(kind):
    content = encode(make_picture(0), kind)
    expected = mmcv.imfrombytes(content)
    image = EncodedImage(content)
    pixels, grid = image.pixels()
    assert image.size == expected.shape[1::-1] and grid is None
    assert np.abs(pixels[..., :3].astype(int) - expected).max() <= 1


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('kind', ALL_KINDS)
@pytest.mark.parametrize('direction', [None, 'horizontal', 'vertical', 'diagonal'])
def test_warp_is_mmposes(kind, direction):
    """A turned part of the image, enlarged: no reduction."""
    content = encode(make_picture(1), kind)
    whole = mmcv.imfrombytes(content)
    image = EncodedImage(content)
    matrix = cv2.getRotationMatrix2D((70.0, 50.0), 25, 1.3)
    if direction is not None:
        whole = mmcv.imflip(whole, direction)
        image.flip(direction)
    expected = cv2.warpAffine(whole, matrix, (90, 70))
    result = image.warp(matrix, (90, 70))
    error = np.abs(result.astype(int) - expected)
    assert error.max() <= 40 and error.mean() < 0.7  # 1/32 of a pixel, at edges


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('kind', sorted(set(ALL_KINDS) - {'png', 'webp'}))
@pytest.mark.parametrize('by', [2, 4, 8])
def test_reduced_image_is_an_area_average(kind, by):
    content = encode(cv2.GaussianBlur(make_picture(2), (0, 0), 2), kind)
    image = EncodedImage(content)
    w, h = image.size
    matrix = np.array([[1 / by, 0, 0.5 / by - 0.5], [0, 1 / by, 0.5 / by - 0.5]])
    result = image.warp(matrix, (w // by, h // by))
    expected = cv2.resize(
        mmcv.imfrombytes(content), (w // by, h // by), interpolation=cv2.INTER_AREA
    )
    inside = np.s_[2:-2, 2:-2]
    assert np.abs(result.astype(int) - expected)[inside].mean() < 2


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('kind', ['jpg', *(f'exif{number}' for number in range(1, 9))])
@pytest.mark.parametrize('by', [2, 4, 8])
def test_reduced_image_stays_in_place(kind, by):
    """Its sides are no multiples of the factor, so the decoder pads them, and EXIF turns it."""
    picture = np.zeros((483, 643, 3), np.uint8)
    cv2.circle(picture, (300, 200), 60, (255, 255, 255), -1, cv2.LINE_AA)
    content = encode(picture, kind)
    image, matrix = EncodedImage(content), np.array([[0.99 / by, 0, 5], [0, 0.99 / by, 5]])
    result = image.warp(matrix, (340, 340))
    expected = matrix @ (*center_of(mmcv.imfrombytes(content)), 1)
    np.testing.assert_allclose(center_of(result), expected, atol=0.1)


def center_of(image):
    """Return x, y of the mean bright pixel."""
    bright = image[..., 1].astype(float)
    y, x = np.mgrid[: len(bright), : bright.shape[1]]
    return (bright * x).sum() / bright.sum(), (bright * y).sum() / bright.sum()


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('kind', ['jpg', 'exif', 'exif6'])
def test_orientation_in_other_data_does_not_count(kind):
    """OpenCV, and so mmcv, rotates by the EXIF data only."""
    picture = make_picture(0)
    if kind == 'exif':  # without an orientation
        exif = Image.Exif()
        exif[0x010F] = 'maker'
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, 'JPEG', exif=exif)
        content = stream.getvalue()
    else:
        content = encode(picture, kind)
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
    xmp += b'<rdf:Description tiff:Orientation="8"/></rdf:RDF></x:xmpmeta>'
    segment = b'\xff\xe1' + (len(xmp) + 2).to_bytes(2, 'big') + xmp
    content = content[:2] + segment + content[2:]
    image = EncodedImage(content)
    assert image.size == mmcv.imfrombytes(content).shape[1::-1]
    assert image.pixels()[0].shape[1::-1] == image.size
    pixels, grid = image.pixels(0.3)
    assert image.largest(0.3 * np.eye(3)[:2]) == pixels.shape[1::-1]
    assert grid is not None or pixels.shape[1::-1] == image.size


def test_reduces_only_where_a_pixel_is_left():
    assert [reduction(scale) for scale in (2, 1, 0.51, 0.5, 0.26, 0.25, 0.125, 0.01)] == [
        1, 1, 1, 2, 2, 4, 8, 8,
    ]  # fmt: skip


def test_scale_and_box_of_a_matrix():
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = np.eye(3)
        matrix[:2] = rng.normal(0, 1, (2, 3)) * (1, 1, 50)
        rows = matrix[:2].tolist()
        assert np.isclose(largest_scale(rows), np.linalg.svd(matrix[:2, :2])[1][0])
        corners = np.array([[0, 0, 1], [63, 0, 1], [0, 47, 1], [63, 47, 1]])
        read = (np.linalg.inv(matrix) @ corners.T)[:2]
        low, high = np.reshape(source_box(rows, (64, 48)), (2, 2))
        assert (low <= read.min(1)).all() and (low >= read.min(1) - 2).all()
        assert (high >= read.max(1) + 2).all() and (high <= read.max(1) + 3).all()


def test_enlargement_keeps_the_middle_of_a_block():
    assert enlargement(4) == (4, 4, 1.5, 1.5)


def test_box_of_a_matrix_without_inverse():
    assert source_box([[0.0, 0.0, 3.0], [0.0, 0.0, 5.0]], (64, 48)) == (-1, -1, 3, 3)


@pytest.mark.parametrize('quality, sampling', [(92, '4:2:0'), (75, '4:4:4'), (95, '4:2:2')])
@pytest.mark.parametrize('rows', [-50, 0, 1, 40, *range(95, 113), 200, 239])
def test_rows_above_a_cut_are_the_same(rows, quality, sampling, tmp_path):
    simplejpeg = pytest.importorskip('simplejpeg')
    content = simplejpeg.encode_jpeg(
        make_picture(3), quality, 'BGR', colorsubsampling=sampling.replace(':', '')
    )
    image = EncodedImage(content)
    whole, cut = image.pixels()[0], image.pixels(box=(0, 0, 320, rows))[0]
    assert len(cut) > rows
    if rows < 224:  # at most a block more than needed
        assert len(cut) <= max(rows, 0) + 16
    assert np.array_equal(cut[: max(rows, 0)], whole[: max(rows, 0)])


@pytest.mark.parametrize('sampling', ['4:2:0', '4:4:4', '4:2:2', '4:4:0'])
@pytest.mark.parametrize('scale', [1.0, 0.49, 0.3, 0.24, 0.1])
@pytest.mark.parametrize('direction', [None, 'vertical'])
def test_warp_of_a_cut_image_is_that_of_the_whole(scale, sampling, direction):
    """At all sizes that the decoder can reduce to and all positions of the cut in a block."""
    simplejpeg = pytest.importorskip('simplejpeg')
    content = simplejpeg.encode_jpeg(
        make_picture(3, (150, 400)), 90, 'BGR', colorsubsampling=sampling.replace(':', '')
    )
    image, size = EncodedImage(content), (20, 24)
    if direction:
        image.flip(direction)
    cuts = 0
    for y in range(100, 100 + 16):
        matrix = cv2.getRotationMatrix2D((70.0, y), 10, scale)
        matrix[:, 2] += (10 - 70, 12 - y)
        rows = unflipped(matrix.tolist(), image.size, image.direction)
        cut = image.pixels(largest_scale(rows), source_box(rows, size))[0]
        whole, grid = image.pixels(largest_scale(rows))
        cuts += len(cut) < len(whole)
        by, _, shift, _ = grid or (1, 1, 0, 0)
        rows = [[a * by, b * by, (a + b) * shift + c] for a, b, c in rows]
        assert np.array_equal(image.warp(matrix, size), warp_pixels(whole, [], rows, size))
    assert cuts >= (0 if direction else 5)


def test_progressive_images_are_not_cut():
    assert cut_below(encode(make_picture(3), 'progressive'), 40) is None


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8 no image', b'\xff\xd8\xff\xe0'])
def test_what_is_no_image_is_refused(content):
    with pytest.raises(ValueError, match=r'here\.jpg.*replace the file'):
        EncodedImage(content, 'here.jpg').pixels()


@pytest.mark.usefixtures('_simplejpeg')
@pytest.mark.parametrize('box', [None, (0, 0, 320, 40)])
def test_image_cut_short_reads_as_by_opencv(box):
    """OpenCV 5 refuses it, OpenCV 4 gives what there is."""
    content = encode(make_picture(4), 'jpg')
    content = content[: len(content) // 2]
    expected = mmcv.imfrombytes(content)
    image = EncodedImage(content, 'here.jpg')
    if expected is None:
        with pytest.raises(ValueError, match=r'here\.jpg: the image is cut short'):
            image.pixels(box=box)
    else:
        assert np.array_equal(image.pixels(box=box)[0], expected)


@pytest.mark.parametrize('directions', list(product(FLIPS[1:], repeat=2)))
def test_flips_of_flips(directions):
    content = encode(make_picture(5), 'jpg')
    whole, image = mmcv.imfrombytes(content), EncodedImage(content)
    for direction in directions:
        whole, image = mmcv.imflip(whole, direction), image.flip(direction)
    result = image.warp(np.eye(3)[:2], image.size)
    assert np.abs(result.astype(int) - whole).max() <= 1
