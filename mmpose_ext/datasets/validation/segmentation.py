# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the segmentations: polygons and run lengths."""

from __future__ import annotations

from itertools import chain

from .kinds import Finding
from .structure import Entries
from .values import is_number, is_row, shorten

_PLAIN = {int, float}


def check_segmentations(entries: Entries) -> list[Finding]:
    """Check each annotation's segmentation, if it has one (null counts as none).

    A segmentation is a list of polygons, each with three or more points x, y, or a dict of run
    lengths with ``counts`` (text, or a list of integers that sum to the number of pixels) and
    ``size`` [h, w].
    """
    findings = []
    for index, annotation in enumerate(entries.annotations):
        value = annotation.get('segmentation')
        if value is None:
            continue
        if value == []:
            findings.append(entries.finding('segmentation-empty', index))
        elif fault := segmentation_fault(value):
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
            return f'polygon {number} holds what is no finite number'
    return ''


def _run_length_fault(value: dict) -> str:
    size, counts = value.get('size'), value.get('counts')
    if not is_row(size, 2) or not all(isinstance(v, int) and v > 0 for v in size):
        return 'run lengths without size [h, w]'
    if isinstance(counts, str):
        return '' if counts and counts.isascii() else 'run lengths whose counts are no ASCII text'
    if not is_row(counts) or not all(type(v) is int and v >= 0 for v in counts):
        return 'run lengths whose counts are neither text nor whole numbers'
    if sum(counts) != size[0] * size[1]:
        return f'run lengths of {sum(counts)} pixels for {size[0]} x {size[1]}'
    return ''
