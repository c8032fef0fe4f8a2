# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the image files: existing, complete, readable, and of the size in the annotations."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
from PIL import Image

from mmpose_ext.utils.sequences import zip_equal

from .kinds import Finding
from .structure import Entries

DEPTHS = ('annotations', 'files', 'headers', 'images')
_TAIL = 1024  # bytes at the end that are searched for the end marker
_JPEG_END, _PNG_END = b'\xff\xd9', b'IEND\xae\x42\x60\x82'
_SCAN = 0xDA  # the JPEG marker before the pixels
_ORIENTATION = 0x0112  # EXIF
_TURNED = (5, 6, 7, 8)
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.:-]*://')


def is_remote(path: str) -> bool:
    """Return whether a path starts with a scheme; a URL within a local folder does not count."""
    return _SCHEME.match(path) is not None


def missing_files(paths: Iterable[str]) -> list[str]:
    """Return which local ``paths`` do not exist, in order. Each folder is listed once."""
    by_folder = defaultdict(list)
    for path in dict.fromkeys(paths):
        if not is_remote(path):
            by_folder[os.path.dirname(path)].append(path)
    missing = []
    for folder, members in by_folder.items():
        try:
            present = set(os.listdir(folder or '.'))
        except (OSError, ValueError):
            present = set()
        missing += [path for path in members if os.path.basename(path) not in present]
    return missing


def check_image_files(
    entries: Entries, image_dir: str, depth: str, workers: int | None = None
) -> tuple[list[Finding], int]:
    """Check the image files, and read from them the sizes that the annotations lack.

    Args:
        entries (Entries): The images.
        image_dir (str): The folder that the file names are relative to.
        depth (str): ``'files'``, ``'headers'`` or ``'images'``; see :func:`validate`.
        workers (int, optional): Threads (OpenCV and Pillow decode in parallel). Defaults to the
            number of processors, but at most 16.

    Returns:
        tuple: The findings, and the number of files checked, without remote ones.
    """
    rows_of = defaultdict(list)
    for row, image in enumerate(entries.images):
        name = image.get('file_name')
        if isinstance(name, str) and name and '\0' not in name:
            path = os.path.join(image_dir, name)
            if not is_remote(path):
                rows_of[path].append(row)
    missing = set(missing_files(rows_of))
    findings = [
        entries.image_finding('image-missing', row, detail=path)
        for path in rows_of
        if path in missing
        for row in rows_of[path]
    ]
    if depth != 'files':
        present = [path for path in rows_of if path not in missing]
        workers = workers or min(16, os.cpu_count() or 1)
        look = partial(read_image_file, decode=depth == 'images')
        with ThreadPoolExecutor(workers) as pool:
            for path, result in zip_equal(present, pool.map(look, present)):
                for row in rows_of[path]:
                    findings += _file_findings(entries, row, path, *result)
    return findings, len(rows_of)


def read_image_file(path: str, decode: bool) -> tuple[str, str, tuple[int, int] | None]:
    """Check one image file.

    Without ``decode``, only the header and the end are read: JPEG and PNG files must have their end
    marker. Depending on its version, OpenCV decodes the first part of a truncated file and fills
    the rest with gray; Pillow, which decodes here, refuses the file.

    Returns:
        tuple: The kind of fault or '', its detail, and the size [w, h] of the image as OpenCV
        decodes it, with EXIF's orientation applied, or None.
    """
    try:
        if os.path.getsize(path) == 0:
            return 'image-unreadable', 'the file is empty', None
        with Image.open(path) as image:
            size = image.size
            if _orientation(image) in _TURNED:
                size = size[::-1]
            if _is_end_missing(path, image.format):
                return 'image-truncated', 'its end marker is missing', size
            if decode:
                try:
                    image.load()
                except Exception as error:  # Pillow raises many kinds
                    return 'image-truncated', str(error), size
        if not cv2.haveImageReader(path):
            return 'image-unreadable', 'OpenCV does not know its format', size
        return '', '', size
    except Exception as error:  # not an image for Pillow; OpenCV decides
        pixels = _decode(path)
        if pixels is None:
            return 'image-unreadable', str(error).replace(repr(path), 'it'), None
        return '', '', pixels.shape[1::-1]


def _orientation(image: Image.Image) -> int | None:
    exif = Image.Exif()  # image.getexif() would decode a PNG
    exif.load(image.info.get('exif'))
    return exif.get(_ORIENTATION)


def _is_end_missing(path: str, image_format: str | None) -> bool:
    """Return whether a JPEG or PNG file lacks its end marker; bytes may follow it."""
    if image_format not in ('JPEG', 'MPO', 'PNG'):
        return False
    marker = _PNG_END if image_format == 'PNG' else _JPEG_END
    with open(path, 'rb') as file:
        file.seek(max(0, os.path.getsize(path) - _TAIL))
        if marker in file.read():
            return False
        file.seek(0)
        data = file.read()
    return data.find(marker, 0 if image_format == 'PNG' else _scan_start(data)) < 0


def _scan_start(data: bytes) -> int:
    """Return where a JPEG's own pixels start, after a thumbnail in its EXIF data."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _SCAN:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return place


def _decode(path: str) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None


def _file_findings(
    entries: Entries, row: int, path: str, kind: str, detail: str, size: tuple | None
) -> list[Finding]:
    findings = []
    if kind:
        text = f'{path}: {detail}' if detail else path
        findings.append(entries.image_finding(kind, row, detail=text))
    if size is None:
        return findings
    told = entries.sizes[row]
    if np.isnan(told).any():
        entries.sizes[row] = size
    elif tuple(told) != tuple(size):
        detail = f'{path} is {size[0]}x{size[1]}, annotated as {told[0]:g}x{told[1]:g}'
        findings.append(entries.image_finding('image-size', row, detail=detail))
    return findings
