# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the segmentations: polygons and run lengths."""

from __future__ import annotations

from itertools import chain

import numpy as np

from .kinds import Finding
from .structure import Entries
from .values import is_number, is_row, shorten

_PLAIN = {int, float}


def check_segmentations(entries: Entries) -> list[Finding]:
    """Check each annotation's segmentation, if it has one (null counts as none).

    A segmentation is a list of polygons, each with three or more points x, y, or a dict of run
    lengths with ``counts`` (text, or a list of integers, that sum to the number of pixels) and
    ``size`` [h, w], the image's.
    """
    findings = []
    sizes = entries.annotation_sizes()
    for index, annotation in enumerate(entries.annotations):
        value = annotation.get('segmentation')
        if value is None:
            continue
        if value == []:
            findings.append(entries.finding('segmentation-empty', index))
        elif fault := segmentation_fault(value) or _size_fault(value, sizes[index]):
            findings.append(entries.finding('segmentation', index, detail=fault))
    return findings


def segmentation_fault(value: object) -> str:
    """Describe the fault of a segmentation in a few words; return '' if it has none."""
    if isinstance(value, dict):
        return _run_length_fault(value)
    if not isinstance(value, list):
        return f'it is {shorten(value)}'
    for number, polygon in enumerate(value):
        if not is_row(polygon) or len(polygon) < 6 or len(polygon) % 2:
            return f'polygon {number} is not three or more points x, y'
    # fast for valid polygons: the sum of the magnitudes shows any NaN or infinity
    if set(map(type, chain.from_iterable(value))) <= _PLAIN:
        if all(is_number(sum(map(abs, polygon))) for polygon in value):
            return ''
    for number, polygon in enumerate(value):
        if not all(map(is_number, polygon)):
            return f'polygon {number} holds something other than finite numbers'
    return ''


def _run_length_fault(value: dict) -> str:
    size, counts = value.get('size'), value.get('counts')
    if not is_row(size, 2) or not all(isinstance(v, int) and v > 0 for v in size):
        return 'run lengths without size [h, w]'
    if isinstance(counts, str):
        if not counts or not counts.isascii():
            return 'run lengths whose counts are not ASCII text'
        counts = _decode_counts(counts)
        if counts is None:
            return 'run lengths whose counts are not compressed as COCO does'
    if not is_row(counts) or not all(type(v) is int and v >= 0 for v in counts):
        return 'run lengths whose counts are neither text nor whole numbers'
    if sum(counts) != size[0] * size[1]:
        return f'run lengths of {sum(counts)} pixels for {size[0]} x {size[1]}'
    return ''


def _size_fault(value: object, size: np.ndarray) -> str:
    """Describe the fault in the size of run lengths in an image of ``size`` [w, h], if known."""
    if not isinstance(value, dict) or np.isnan(size).any():
        return ''
    height, width = value['size']
    if (width, height) == tuple(size):
        return ''
    return f'run lengths of {width}x{height} in an image of {size[0]:g}x{size[1]:g}'


def _decode_counts(text: str) -> list[int] | None:
    """Decode run lengths from COCO's text (5 bits per character, differences from the third on)."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return None if shift else counts
