# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The annotations of a top-down data set as arrays, from which a batch is taken at once."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

#: Arrays of a person's annotation that samples hold or transforms change.
ARRAYS = ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible', 'head_size')
#: A table has no place for these: the pipeline starts from a box.
_OTHER_BOXES = ('bbox_center', 'bbox_scale')


class PeopleTable:
    """The annotations of all samples.

    Workers share its arrays with the training process that forks them.

    Args:
        dataset (BaseDataset): A top-down data set of mmpose with serialised annotations.

    Raises:
        ValueError: If the annotations differ in their keys or in the shapes of their arrays.

    Attributes:
        arrays (dict[str, np.ndarray]): (N, 1, ...) each, for N people.
        paths (np.ndarray): (N,) bytes, of the images.
        ids (np.ndarray): (N,).
        names (frozenset[str]): Names of all that is annotated.
    """

    def __init__(self, dataset: BaseDataset) -> None:
        infos = (BaseDataset.get_data_info(dataset, index) for index in range(len(dataset)))
        self._bytes, self._ends = dataset.data_bytes, dataset.data_address
        self.arrays: dict[str, np.ndarray] = {}
        paths, ids = [], []
        for index, info in enumerate(infos):
            if index == 0:
                self.names = frozenset(info)
                self.arrays = _columns(info, len(dataset))
            elif self.names != set(info):
                raise ValueError('the people are annotated differently')
            for name, column in self.arrays.items():
                value = info[name]
                if value.shape != column.shape[1:] or value.dtype != column.dtype:
                    raise ValueError(f'{name} has several shapes')
                column[index] = value
            paths.append(os.fsencode(info['img_path']))
            ids.append(info['id'])
        # arrays, because counting references to objects would copy their memory in each worker
        self.paths, self.ids = np.array(paths), np.array(ids)

    def take(self, indices: list[int]) -> dict[str, np.ndarray]:
        """Copy the arrays of a batch's people: (B, 1, ...) each."""
        return {name: column[indices] for name, column in self.arrays.items()}

    def pickled(self, index: int) -> memoryview:
        """Return a person's whole annotation, pickled."""
        start = int(self._ends[index - 1]) if index else 0
        return memoryview(self._bytes[start : int(self._ends[index])])


def _columns(info: dict[str, Any], number: int) -> dict[str, np.ndarray]:
    """Make empty arrays for a number of people like this one.

    Raises:
        ValueError: If these are not one person's box and keypoints.
    """
    shapes = {name: np.shape(info.get(name)) for name in ('bbox', 'keypoints', 'keypoints_visible')}
    points = shapes['keypoints'][:2]
    expected = dict(bbox=(1, 4), keypoints=(*points, 2), keypoints_visible=points)
    if shapes != expected or points[0] != 1 or any(name in info for name in _OTHER_BOXES):
        raise ValueError(f'not a box and the 2D keypoints of one person: {shapes}')
    values = {name: info[name] for name in ARRAYS if name in info}
    return {name: np.empty((number, *value.shape), value.dtype) for name, value in values.items()}
