# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The annotations of a top-down data set as arrays, from which a batch is taken at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

#: Arrays of a person's annotation that samples hold or transforms change.
ARRAYS = ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible', 'head_size')
#: A table has no place for these: the pipeline starts from a file and a box.
_OTHER_STARTS = ('bbox_center', 'bbox_scale', 'bbox_rotation', 'transformed_keypoints', 'img')


def path_of(info: dict[str, Any]) -> bytes:
    """Return the path of a person's image.

    Raises:
        ValueError: If it is not annotated.
    """
    if 'img_path' not in info:
        raise ValueError('the people have no img_path')
    return os.fsencode(info['img_path'])


class PeopleTable:
    """The annotations of all samples.

    Workers share its arrays with the training process that forks them.

    Args:
        dataset (BaseDataset): A top-down data set of mmpose with serialized annotations.
        source (Callable): Returns what a person's image is loaded by. Defaults to
            :func:`path_of`.

    Raises:
        ValueError: If the annotations lack something, or differ in their keys or in the shapes of
            their arrays.

    Attributes:
        arrays (dict[str, np.ndarray]): (N, 1, ...) each, for N people.
        sources (np.ndarray): (N,) bytes.
        annotations (np.ndarray): The data set's ``data_bytes``.
        names (frozenset[str]): Names of all that is annotated.
    """

    def __init__(
        self, dataset: BaseDataset, source: Callable[[dict[str, Any]], bytes] = path_of
    ) -> None:
        infos = (BaseDataset.get_data_info(dataset, index) for index in range(len(dataset)))
        self.annotations, self._ends = dataset.data_bytes, dataset.data_address
        self.arrays: dict[str, np.ndarray] = {}
        sources = []
        for index, info in enumerate(infos):
            if index == 0:
                self.names = frozenset(info)
                self.arrays = _columns(info, len(dataset))
            elif self.names != set(info):
                raise ValueError('the people are annotated differently')
            for name, column in self.arrays.items():
                value = info[name]
                if not isinstance(value, np.ndarray):
                    raise ValueError(f'{name} is not an array')
                if value.shape != column.shape[1:] or value.dtype != column.dtype:
                    raise ValueError(f'{name} has several shapes')
                column[index] = value
            sources.append(source(info))
        # an array, because counting references to objects would copy their memory in each worker
        self.sources = np.array(sources)

    def take(self, indices: list[int]) -> dict[str, np.ndarray]:
        """Copy the arrays of a batch's people: (B, 1, ...) each."""
        return {name: column[indices] for name, column in self.arrays.items()}

    def pickled(self, index: int) -> memoryview:
        """Return a person's whole annotation, pickled."""
        start = int(self._ends[index - 1]) if index else 0
        return memoryview(self.annotations[start : int(self._ends[index])])


def _columns(info: dict[str, Any], number: int) -> dict[str, np.ndarray]:
    """Make empty arrays for a number of people like this one.

    Raises:
        ValueError: If these are not one person's box and keypoints.
    """
    shapes = {name: np.shape(info.get(name)) for name in ('bbox', 'keypoints', 'keypoints_visible')}
    points = shapes['keypoints'][:2]
    expected = dict(bbox=(1, 4), keypoints=(*points, 2), keypoints_visible=points)
    if shapes != expected or points[0] != 1 or any(name in info for name in _OTHER_STARTS):
        raise ValueError(f'not just a box and the 2D keypoints of one person: {shapes}')
    values = {name: np.asarray(info[name]) for name in ARRAYS if name in info}
    return {name: np.empty((number, *value.shape), value.dtype) for name, value in values.items()}
