# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Prepare a batch of a top-down data set as a whole."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any, Callable

import numpy as np
import torch
from mmengine import fileio
from mmengine.dataset import BaseDataset
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.transforms import GenerateTarget

from mmpose_ext.datasets.body import CheckedCocoDataset
from mmpose_ext.datasets.transforms.random_shear import shear

from .affines import FastTopdownAffine
from .batched_steps import People, augment, batched_steps
from .collate import SampleBatch, new_memory
from .deferred_image import DeferredImage, EncodedImage
from .heatmaps import gaussians, is_separable
from .pack_inputs import FastPackPoseInputs
from .packed_people import Column, Gaussians, PackedPeople
from .people_table import PeopleTable
from .transforms import FastLoadImage

#: Meta information that annotations may lack.
_NOT_ALWAYS = frozenset(['category_id', 'crowd_index', 'raw_ann_info'])
#: Loads the image of the person with this number in a table.
Loader = Callable[[PeopleTable, int], DeferredImage]
#: Meta information that samples of a batch can have besides their annotation.
_META_KEYS = frozenset(
    'dataset_name flip_indices input_size ori_shape img_shape input_center input_scale flip '
    'flip_direction sample_idx'.split()
)


class BatchedPipeline:
    """Prepare a data set's samples in batches: a batch takes as many numpy calls as one sample.

    It replaces ``[dataset[index] for index in indices]`` as the data set's ``__getitems__``, which
    torch's data loader looks for. The samples are the same for the same state of the random
    generators.

    Args:
        dataset (BaseDataset): A top-down data set after :func:`.speed_up_dataset`.

    Raises:
        ValueError: If the data set or its pipeline has no form for batches.
    """

    def __init__(self, dataset: BaseDataset) -> None:
        _check_dataset(dataset)
        self.dataset = dataset
        self._pipeline = dataset.pipeline
        *steps, self.target, self.packing = dataset.pipeline.transforms
        last = type(self.target), type(self.packing)
        if last != (GenerateTarget, FastPackPoseInputs) or self.packing.pack_transformed:
            raise ValueError('the last transforms are not GenerateTarget and PackPoseInputs')
        self.load, steps = _loader(steps)
        self.affine, steps, after = _affine(steps)
        self.steps = batched_steps(steps, after)
        encoder, weighted = self.target.encoder, self.target.use_dataset_keypoint_weights
        if isinstance(encoder, list) or encoder.auxiliary_encode_keys or weighted:
            raise ValueError('GenerateTarget needs more than keypoints')
        self.table = PeopleTable(dataset)
        self.keys = set(self.packing.meta_keys)
        unknown = sorted(self.keys - _META_KEYS - self.table.names - _NOT_ALWAYS)
        if unknown:
            raise ValueError(f'PackPoseInputs: meta_keys {unknown} are not known for batches')

    def __call__(self, indices: list[int]) -> dict[str, Any] | list[dict]:
        """Prepare the samples with these numbers.

        Returns:
            dict | list[dict]: A batch as :func:`.collate_samples` makes it; or its samples, if the
            data set's pipeline has been replaced.
        """
        if self.dataset.pipeline is not self._pipeline:
            return [self.dataset[index] for index in indices]
        batch: Any = list(indices)
        for _, stage in self.stages():
            batch = stage(batch)
        return batch

    def stages(self) -> list[tuple[str, Callable[[Any], Any]]]:
        """Return the stages from indices to a batch, each as a name and a function."""
        return [
            ('annotation', self._take),
            ('LoadImage', self._load),
            ('augmentation', self._augment),
            ('TopdownAffine', self._warp),
            ('GenerateTarget', self._encode),
            ('PackPoseInputs', self._pack),
        ]

    def _take(self, indices: list[int]) -> dict[str, Any]:
        return dict(indices=indices, **self.table.take(indices))

    def _load(self, batch: dict[str, Any]) -> dict[str, Any]:
        return dict(batch, images=[self.load(self.table, index) for index in batch['indices']])

    def _augment(self, batch: dict[str, Any]) -> dict[str, Any]:
        known = self.dataset._metainfo
        people = People(
            images=batch['images'],
            bbox=batch['bbox'][:, 0],
            keypoints=batch['keypoints'][:, 0],
            visible=batch['keypoints_visible'][:, 0],
            flip_indices=list(known['flip_indices']),
            halves=(known['upper_body_ids'], known['lower_body_ids']),
            rotation=np.zeros(len(batch['images']), np.float32),
        )
        seeds = getattr(self.dataset, '_sample_seeds', None)  # set by EpochSeedHook
        with seeds.kept_streams() if seeds else nullcontext():
            augment(self.steps, people, batch['indices'], seeds and seeds.seed_numpy)
        return dict(batch, people=people)

    def _warp(self, batch: dict[str, Any]) -> dict[str, Any]:
        people, (w, h) = batch['people'], self.affine.input_size
        number = len(people.images)
        inputs = new_memory(number * h * w * 3).view(number, h, w, 3)
        matrices = np.empty((number, 2, 3))
        rotations = people.rotation.tolist()
        for index, (image, out) in enumerate(zip(people.images, inputs.numpy())):
            matrices[index], people.scale[index] = self.affine.fit(
                people.centre[index], people.scale[index], rotations[index]
            )
            image.warp(matrices[index], (w, h), out)
        moved = people.keypoints @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
        moved = moved.astype(people.keypoints.dtype)
        for index, tangent in enumerate(people.shears):
            if tangent:
                sheared, moved[index] = shear(inputs[index].numpy(), moved[index], tangent)
                inputs[index] = torch.from_numpy(sheared)
        return dict(batch, inputs=inputs.permute(0, 3, 1, 2), transformed_keypoints=moved)

    def _encode(self, batch: dict[str, Any]) -> dict[str, Any]:
        encoder, points = self.target.encoder, batch['transformed_keypoints']
        visible = batch['people'].visible
        if is_separable(encoder):
            rows, weights = gaussians(encoder, points, visible)
            heatmaps = Gaussians(torch.from_numpy(rows), encoder.heatmap_size[0])
            return dict(batch, heatmaps=heatmaps, keypoint_weights=weights[:, None])
        encoded = [
            encoder.encode(keypoints=one[None], keypoints_visible=seen[None])
            for one, seen in zip(points, visible)
        ]
        columns = {name: _column([sample[name] for sample in encoded]) for name in encoded[0]}
        return dict(batch, **columns)

    def _pack(self, batch: dict[str, Any]) -> dict[str, Any]:
        people, table, encoder = batch['people'], self.table, self.target.encoder
        sizes = [image.size[::-1] for image in people.images]
        content = [table.pickled(index) for index in batch['indices']]
        meta = dict(
            ori_shape=sizes,
            img_shape=sizes,
            input_center=people.centre,
            input_scale=people.scale,
            sample_idx=batch['indices'],
        )
        if people.flipped is not None:
            flips = people.flipped.tolist()
            meta.update(flip=flips, flip_direction=['horizontal' if f else None for f in flips])
        known = self.dataset._metainfo
        shared = dict(
            dataset_name=known['dataset_name'],
            flip_indices=known['flip_indices'],
            input_size=tuple(self.affine.input_size),
        )
        values = dict(
            batch,
            bbox=people.bbox[:, None],
            bbox_scale=people.scale[:, None],
            keypoints=people.keypoints[:, None],
            keypoints_visible=people.visible[:, None],
        )
        instances, labels, fields = (
            {new: values[old] for old, new in (own or given).items() if old in values}
            for own, given in (
                (encoder.instance_mapping_table, self.packing.instance_mapping_table),
                (encoder.label_mapping_table, self.packing.label_mapping_table),
                (encoder.field_mapping_table, self.packing.field_mapping_table),
            )
        )
        keys = self.keys
        packed = PackedPeople(
            annotations=np.frombuffer(b''.join(content), np.uint8),
            ends=np.cumsum([len(one) for one in content]).tolist(),
            annotated=keys & table.names - set(meta) - set(shared),
            shared={name: value for name, value in shared.items() if name in keys},
            meta={name: value for name, value in meta.items() if name in keys},
            instances=instances,
            labels={name: _tensors(column) for name, column in labels.items()},
            fields={name: _tensors(column) for name, column in fields.items()},
        )
        return dict(inputs=batch['inputs'], data_samples=SampleBatch(packed))


def prepare_in_batches(dataset: Any) -> bool:
    """Let torch's data loader take whole batches from a data set, if it can give them.

    Returns:
        bool: Whether it can.
    """
    try:
        dataset.__getitems__ = BatchedPipeline(dataset)
    except ValueError:
        return False
    return True


def _check_dataset(dataset: Any) -> None:
    """Check that a data set makes its samples as mmpose's data sets do.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(dataset, BaseCocoStyleDataset) or not dataset.serialize_data:
        raise ValueError('not a data set of mmpose with serialised annotations')
    kind = type(dataset)
    if '_sample_seeds' in vars(dataset):  # SampleSeeds has changed the class; batches use its seeds
        kind = kind.__base__
    same = (
        kind.__getitem__ is BaseDataset.__getitem__
        and kind.get_data_info is BaseCocoStyleDataset.get_data_info
        and kind.prepare_data
        in (BaseCocoStyleDataset.prepare_data, CheckedCocoDataset.prepare_data)
    )
    if not same or dataset.data_mode != 'topdown' or dataset.test_mode or not len(dataset):
        raise ValueError('not training samples as those of BaseCocoStyleDataset')


def _loader(steps: list[Any]) -> tuple[Loader, list[Any]]:
    """Return a function that loads images, and the transforms after loading.

    Raises:
        ValueError: If the first transform does not load images late.
    """
    if steps and hasattr(steps[0], 'load_person'):  # LoadPackedPerson
        pack, *steps = steps
    else:
        pack = None
    if not steps or type(steps[0]) is not FastLoadImage or steps[0].ignore_empty:
        raise ValueError('images are not decoded late')
    reading, *steps = steps

    def from_file(table: PeopleTable, index: int) -> DeferredImage:
        name = os.fsdecode(table.paths[index])
        return EncodedImage(fileio.get(name, backend_args=reading.backend_args), name)

    def from_pack(table: PeopleTable, index: int) -> DeferredImage:
        return pack.load_person(table.ids[index])

    return from_file if pack is None else from_pack, steps


def _affine(steps: list[Any]) -> tuple[FastTopdownAffine, list[Any], list[Any]]:
    """Return the affine, the transforms before it and those after it.

    Raises:
        ValueError: If there is none.
    """
    for at, step in enumerate(steps):
        if type(step) is FastTopdownAffine:
            return step, steps[:at], steps[at + 1 :]
    raise ValueError('no TopdownAffine')


def _column(values: list[Any]) -> Column:
    """Stack arrays of one shape."""
    first = values[0]
    if not isinstance(first, np.ndarray) or any(v.shape != first.shape for v in values):
        return values
    return np.stack(values)


def _tensors(column: Column | Gaussians) -> Column | Gaussians:
    """Convert arrays to tensors."""
    if isinstance(column, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(column))
    if isinstance(column, list):
        return [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in column]
    return column
