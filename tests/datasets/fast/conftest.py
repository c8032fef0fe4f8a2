# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Smooth pictures in many file formats, and a data set with people of all sizes in them."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS
from PIL import Image

SIZE = (320, 240)


def make_picture(seed: int, size=SIZE) -> np.ndarray:
    """Make (h, w, 3) uint8: noise, smooth enough for JPEG, with strong colors and edges."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (size[1], size[0], 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    picture = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    for _ in range(5):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        color = tuple(int(c) for c in rng.integers(0, 255, 3))
        cv2.circle(picture, (int(x), int(y)), 25, color, -1, cv2.LINE_AA)
    return picture


def encode(picture: np.ndarray, kind: str) -> bytes:
    """Return a file's content; kinds: jpg, progressive, gray, cmyk, png, webp, exif1 to exif8."""
    image = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    options = dict(format='JPEG', quality=92)
    if kind in ('png', 'webp'):
        options = dict(format=kind.upper())
    elif kind == 'progressive':
        options.update(progressive=True)
    elif kind == 'gray':
        image = image.convert('L')
    elif kind == 'cmyk':
        image = image.convert('CMYK')
    elif kind.startswith('exif'):
        exif = Image.Exif()
        exif[0x0112] = int(kind[4:])
        options.update(exif=exif)
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


KINDS = ['jpg', 'progressive', 'gray', 'cmyk', 'png', 'webp', 'exif1', 'exif3', 'exif6', 'exif8']


@pytest.fixture(autouse=True)
def _mmpose_scope():
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


@pytest.fixture(scope='session')
def people(tmp_path_factory) -> Path:
    """Write ``images``, one of each kind with three people, and ``people.json``."""
    folder = tmp_path_factory.mktemp('people')
    (folder / 'images').mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number, kind in enumerate(KINDS, 1):
        suffix = kind if kind in ('png', 'webp') else 'jpg'
        name = f'{number:03d}.{suffix}'
        (folder / 'images' / name).write_bytes(encode(make_picture(number), kind))
        w, h = SIZE[::-1] if kind in ('exif6', 'exif8') else SIZE
        images.append(dict(id=number, file_name=name, width=w, height=h))
        for box in ([0, 0, w, h], [w * 0.3, h * 0.2, w * 0.5, h * 0.6], [20, 20, 30, 50]):
            x, y, bw, bh = box
            points = np.full((17, 3), 2.0)
            points[:, :2] = rng.uniform((x, y), (x + bw, y + bh), (17, 2)).round(2)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=1,
                    bbox=[float(v) for v in box],
                    area=float(bw * bh / 2),
                    iscrowd=0,
                    num_keypoints=17,
                    keypoints=points.ravel().tolist(),
                )
            )
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    (folder / 'people.json').write_text(json.dumps(content))
    return folder


def build(people: Path, pipeline: list, mode: str = 'topdown', **settings):
    """Build a COCO data set of the people."""
    config = dict(
        type='CocoDataset',
        data_root=str(people),
        ann_file='people.json',
        data_prefix=dict(img='images/'),
        data_mode=mode,
        pipeline=pipeline,
    )
    return DATASETS.build({**config, **settings})


def topdown_pipeline(size=(96, 128), **affine) -> list:
    """Return mmpose's pipeline with all of its augmentation."""
    codec = dict(type='MSRAHeatmap', input_size=size, heatmap_size=(24, 32), sigma=2)
    return [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomFlip', direction=['horizontal', 'vertical'], prob=[0.4, 0.2]),
        dict(type='RandomHalfBody'),
        dict(type='RandomBBoxTransform'),
        dict(type='TopdownAffine', input_size=size, **affine),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
