# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convert the joints.mat of LSP and LSPET to COCO's annotation format."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from mmpose_ext.datasets.body.lsp import KEYPOINT_NAMES
from mmpose_ext.datasets.validation.joints_file import read_joints
from mmpose_ext.utils.atomic_files import write_atomically
from mmpose_ext.utils.errors import DataError

MARGIN, MARGIN_PX = 0.15, 5.0


def convert_lsp(
    joints_file: str | os.PathLike,
    image_dir: str | os.PathLike,
    out_file: str | os.PathLike,
    first: int = 1,
    last: int | None = None,
) -> int:
    """Convert images ``first`` to ``last`` of LSP or LSPET, one person each.

    The array's shape identifies the data set. LSP's ``joints`` is (3, 14, N); its third row marks
    occluded joints, which all have a position (written with COCO's visibility 1). LSPET's is (14,
    3, N); its third column marks labeled joints (the others are written as 0, 0, 0). MATLAB counts
    pixels from 1, so 1 is subtracted. The box is that of the labeled joints, extended on each side
    by 15 % of its size and 5 px, and clipped to the image. LSP's training images are 1 to 1000 and
    its test images 1001 to 2000; all of LSPET is for training. The file is written completely or
    not at all.

    Args:
        joints_file (str | os.PathLike): Path of ``joints.mat``.
        image_dir (str | os.PathLike): Folder of ``im0001.jpg`` (LSP) or ``im00001.jpg`` (LSPET) and
            so on.
        out_file (str | os.PathLike): The JSON file to write.
        first (int): Number of the first image, counted from 1. Defaults to 1.
        last (int, optional): Number of the last image, inclusive. Defaults to all.

    Returns:
        int: The number of people written.

    Raises:
        DataError: If a file is missing or has the wrong content; the message names it.
    """
    joints, digits = read_joints(joints_file)
    last = len(joints) if last is None else last
    if not 1 <= first <= last <= len(joints):
        raise DataError(
            f'there are no images {first} to {last}: {joints_file} holds 1 to {len(joints)}'
        )
    images, annotations = [], []
    for number in range(first, last + 1):
        image = _image_info(Path(image_dir), number, digits)
        images.append(image)
        if (joints[number - 1, :, 2] > 0).any():
            annotations.append(_annotation(joints[number - 1], image))
    category = dict(id=1, name='person', keypoints=list(KEYPOINT_NAMES), skeleton=[])
    content = dict(images=images, annotations=annotations, categories=[category])
    write_atomically(Path(out_file), json.dumps(content).encode())
    return len(annotations)


def _image_info(image_dir: Path, number: int, digits: int) -> dict:
    name = f'im{number:0{digits}}.jpg'
    try:
        with Image.open(image_dir / name) as image:
            width, height = image.size
    except OSError as error:
        raise DataError(f'image {image_dir / name} is missing or cannot be read') from error
    return dict(id=number, file_name=name, width=width, height=height)


def _annotation(joints: np.ndarray, image: dict) -> dict:
    labeled = joints[joints[:, 2] > 0, :2]
    low, high = labeled.min(0), labeled.max(0)
    margin = (high - low) * MARGIN + MARGIN_PX
    low = np.maximum(low - margin, 0)
    high = np.minimum(high + margin, [image['width'] - 1, image['height'] - 1])
    size = high - low
    return dict(
        id=image['id'],
        image_id=image['id'],
        category_id=1,
        iscrowd=0,
        bbox=[*low.tolist(), *size.tolist()],
        area=float(size.prod()),
        keypoints=joints.ravel().tolist(),
        num_keypoints=len(labeled),
    )
