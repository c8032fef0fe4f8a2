# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Data samples of a batch as arrays of the whole batch."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Sequence, Union

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample
from torch import Tensor

from .pack_inputs import new_element

#: The values of B samples: an array or a tensor (B, ...), or B of any kind.
Column = Union[np.ndarray, Tensor, Sequence[Any]]


@dataclass
class Gaussians:
    """Heatmaps as factors along x and along y, which are multiplied on the device.

    Attributes:
        rows (Tensor): (B, K, w + h) float32, along x and then along y.
        width (int): w.
    """

    rows: Tensor
    width: int

    def draw(self, rows: Tensor) -> Tensor:
        """Return the heatmaps (B, K, h, w) of rows like these, on their device."""
        return rows[..., self.width :, None] * rows[..., None, : self.width]


@dataclass
class PackedPeople:
    """What ``PackPoseInputs`` packs of B people.

    Attributes:
        annotations (np.ndarray): uint8, B pickled dictionaries one after another.
        ends (list[int]): The position after each of them.
        annotated (set[str]): Names of the meta information that is taken from the annotations.
        shared (dict[str, Any]): Meta information that all samples have.
        meta (dict[str, Column]): Meta information by name.
        instances (dict[str, Column]): ``gt_instances`` by name.
        labels (dict[str, Column]): ``gt_instance_labels`` by name.
        fields (dict[str, Column | Gaussians]): ``gt_fields`` by name.
    """

    annotations: np.ndarray
    ends: list[int]
    annotated: set[str]
    shared: dict[str, Any]
    meta: dict[str, Column]
    instances: dict[str, Column]
    labels: dict[str, Column]
    fields: dict[str, Column | Gaussians]

    def samples(self, place: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> list:
        """Make the data samples.

        Args:
            place (Callable): Moves a tensor to the device of the samples. Defaults to no move.

        Returns:
            list[PoseDataSample]: B samples with slices of the arrays.
        """
        labels, fields = (
            {name: _placed(column, place) for name, column in columns.items()}
            for columns in (self.labels, self.fields)
        )
        content = memoryview(self.annotations)
        parts = dict(_gt_instances=self.instances, _gt_instance_labels=labels)
        properties = {'gt_instances', 'gt_instance_labels', *(['gt_fields'] if fields else [])}
        start, samples = 0, []
        for index, end in enumerate(self.ends):
            held = {
                name: new_element(InstanceData, _row(columns, index))
                for name, columns in parts.items()
            }
            if fields:
                held['_gt_fields'] = new_element(PixelData, _row(fields, index))
            meta = {**self.shared, **_row(self.meta, index)}
            sample = new_element(AnnotatedSample, held, meta)
            sample._data_fields.update(properties)
            sample._metainfo_fields.update(self.annotated)
            sample.__dict__['_annotation'] = bytes(content[start:end]), self.annotated
            samples.append(sample)
            start = end
        return samples


class AnnotatedSample(PoseDataSample):
    """A data sample that unpickles its annotation only when it is read.

    Training reads none of it, and unpickling takes longer than everything else that the training
    process does with a sample.
    """

    def __getattr__(self, name: str) -> Any:
        """Unpickle the annotation for one of its names.

        Raises:
            AttributeError: If it has no such name.
        """
        known = self.__dict__
        if name in (known.get('_annotation') or (None, ()))[1]:
            self._unpickle()
        if name not in known:
            raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')
        return known[name]

    def __delattr__(self, name: str) -> None:
        """Delete a value; see ``BaseDataElement``."""
        self._unpickle()
        super().__delattr__(name)

    __delitem__ = __delattr__

    def pop(self, *args: Any) -> Any:
        """Remove and return a value; see ``BaseDataElement``."""
        self._unpickle()
        return super().pop(*args)

    def _unpickle(self) -> None:
        """Unpickle the annotation, unless this is done."""
        known = self.__dict__
        if known.get('_annotation') is not None:
            content, names = known['_annotation']
            annotation = pickle.loads(content)
            known['_annotation'] = None
            wanted = known['_metainfo_fields'] & names
            known.update({name: annotation[name] for name in wanted if name not in known})


def stacked(values: list[Any]) -> Column:
    """Stack arrays of one shape."""
    first = values[0]
    if not isinstance(first, np.ndarray) or any(v.shape != first.shape for v in values):
        return values
    return np.stack(values)


def as_tensors(column: Column | Gaussians) -> Column | Gaussians:
    """Convert arrays to tensors."""
    if isinstance(column, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(column))
    if isinstance(column, list):
        return [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in column]
    return column


def _row(columns: dict[str, Column], index: int) -> dict[str, Any]:
    return {name: column[index] for name, column in columns.items()}


def _placed(column: Column | Gaussians, place: Callable[[Tensor], Tensor]) -> Column:
    """Move a column of tensors."""
    if isinstance(column, Gaussians):
        return column.draw(place(column.rows))
    if isinstance(column, Tensor):
        return place(column)
    return [place(value) if isinstance(value, Tensor) else value for value in column]
