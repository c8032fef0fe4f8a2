# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Prepare a batch of a top-down data set as a whole."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
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
from .batching import BATCHES, SEEDS, adapt, check_class, own_class
from .bottomup_batches import BottomupBatches
from .collate import SampleBatch
from .deferred_image import DeferredImage
from .encoded_image import EncodedImage
from .heatmaps import gaussians, is_separable
from .pack_inputs import FastPackPoseInputs
from .packed_people import Gaussians, PackedPeople, as_tensors, stacked
from .people_table import ARRAYS, PeopleTable, path_of
from .pipeline import transforms_of
from .scratch import new_memory
from .transforms import FastLoadImage

#: Meta information that annotations may lack.
_NOT_ALWAYS = frozenset(['category_id', 'crowd_index', 'raw_ann_info'])
#: Loads the image of a person by its path or by the key in a pack.
Loader = Callable[[bytes], DeferredImage]
#: Meta information that samples of a batch can have besides their annotation.
_META_KEYS = frozenset(
    'dataset_name flip_indices input_size ori_shape img_shape input_center input_scale flip '
    'flip_direction sample_idx'.split()
)
#: What a pipeline adds to a sample for the transforms after it, and a batch does not hold.
_NOT_HELD = frozenset(['img', 'bbox_center', 'bbox_rotation', 'dataset'])


class BatchedPipeline:
    """Prepare a data set's samples in batches: a batch takes as many numpy calls as one sample.

    It replaces ``[dataset[index] for index in indices]`` in the data set's ``__getitems__``, which
    torch's data loader looks for. The samples are the same for the same state of the random
    generators.

    Args:
        dataset (BaseDataset): A top-down data set after :func:`.speed_up_dataset`.

    Raises:
        ValueError: If the data set or its pipeline has no form for batches.
    """

    #: What the log says.
    summary = 'batches prepared as a whole'

    def __init__(self, dataset: BaseDataset) -> None:
        _check_dataset(dataset)
        self.metainfo = dataset._metainfo
        self._steps = list(dataset.pipeline.transforms)
        *steps, self.target, self.packing = self._steps
        last = type(self.target), type(self.packing)
        if last != (GenerateTarget, FastPackPoseInputs) or self.packing.pack_transformed:
            raise ValueError('the last transforms are not GenerateTarget and PackPoseInputs')
        self.load, source, steps = _loader(steps)
        self.affine, steps, after = _affine(steps)
        self.steps = batched_steps(steps, after)
        encoder, weighted = self.target.encoder, self.target.use_dataset_keypoint_weights
        if isinstance(encoder, list) or encoder.auxiliary_encode_keys or weighted:
            raise ValueError('GenerateTarget needs more than keypoints')
        if not type(encoder).__module__.startswith(('mmpose.', 'mmpose_ext.')):
            raise ValueError(f'{type(encoder).__name__} may draw random numbers or return lists')
        self.table = PeopleTable(dataset, partial(source, self.metainfo) if source else path_of)
        self.keys = set(self.packing.meta_keys)
        self._check_packing()

    def serves(self, dataset: Any) -> bool:
        """Return whether a data set still has the transforms and annotations of this one."""
        same = dataset.data_bytes is self.table.annotations and dataset._metainfo is self.metainfo
        return transforms_of(dataset) == self._steps and same

    def __call__(self, indices: list[int], dataset: Any = None) -> dict[str, Any]:
        """Prepare the samples with these numbers.

        Args:
            indices (list[int]): The numbers.
            dataset (BaseDataset, optional): Its ``_sample_seeds``, if any, seed the samples.

        Returns:
            dict: A batch as :func:`.collate_samples` makes it.
        """
        batch: Any = list(indices)
        seeds = getattr(dataset, SEEDS, None)  # set by EpochSeedHook
        for _, stage in self.stages(seeds):
            batch = stage(batch)
        return batch

    def stages(self, seeds: Any = None) -> list[tuple[str, Callable[[Any], Any]]]:
        """Return the stages from indices to a batch, each as a name and a function.

        Args:
            seeds (SampleSeeds, optional): Seeds the samples.
        """
        return [
            ('annotation', self._take),
            ('LoadImage', self._load),
            ('augmentation', partial(self._augment, seeds)),
            ('TopdownAffine', self._warp),
            ('GenerateTarget', self._encode),
            ('PackPoseInputs', self._pack),
        ]

    def _take(self, indices: list[int]) -> dict[str, Any]:
        return dict(indices=indices, **self.table.take(indices))

    def _load(self, batch: dict[str, Any]) -> dict[str, Any]:
        return dict(batch, images=list(map(self.load, self.table.sources[batch['indices']])))

    def _augment(self, seeds: Any, batch: dict[str, Any]) -> dict[str, Any]:
        known = self.metainfo
        people = People(
            images=batch['images'],
            bbox=batch['bbox'][:, 0],
            keypoints=batch['keypoints'][:, 0],
            visible=batch['keypoints_visible'][:, 0],
            flip_indices=list(known['flip_indices']),
            halves=(known['upper_body_ids'], known['lower_body_ids']),
            rotation=np.zeros(len(batch['images']), np.float32),
        )
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
                people.center[index], people.scale[index], rotations[index]
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
        columns = {name: stacked([sample[name] for sample in encoded]) for name in encoded[0]}
        return dict(batch, **columns)

    def _pack(self, batch: dict[str, Any]) -> dict[str, Any]:
        people, table = batch['people'], self.table
        sizes = [image.size[::-1] for image in people.images]
        content = [table.pickled(index) for index in batch['indices']]
        meta = dict(
            ori_shape=sizes,
            img_shape=sizes,
            input_center=people.center,
            input_scale=people.scale,
            sample_idx=batch['indices'],
        )
        if people.flipped is not None:
            flips = people.flipped.tolist()
            meta.update(flip=flips, flip_direction=['horizontal' if f else None for f in flips])
        known = self.metainfo
        shared = dict(
            dataset_name=known['dataset_name'],
            flip_indices=list(known['flip_indices']),
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
            {new: values[old] for old, new in names.items() if old in values}
            for names in self._mapping_tables()
        )
        keys = self.keys
        packed = PackedPeople(
            annotations=np.frombuffer(b''.join(content), np.uint8),
            ends=np.cumsum([len(one) for one in content]).tolist(),
            annotated=keys & table.names - set(meta) - set(shared),
            shared={name: value for name, value in shared.items() if name in keys},
            meta={name: value for name, value in meta.items() if name in keys},
            instances=instances,
            labels={name: as_tensors(column) for name, column in labels.items()},
            fields={name: as_tensors(column) for name, column in fields.items()},
        )
        return dict(inputs=batch['inputs'], data_samples=SampleBatch(packed))

    def _mapping_tables(self) -> list[dict[str, str]]:
        """Return the names in samples of instances, labels and fields."""
        kinds = [f'{kind}_mapping_table' for kind in ('instance', 'label', 'field')]
        return [getattr(self.target.encoder, k) or getattr(self.packing, k) for k in kinds]

    def _check_packing(self) -> None:
        """Check that a batch holds all that its samples would.

        Raises:
            ValueError: If it does not.
        """
        known = self.table.names
        unknown = sorted(self.keys - _META_KEYS - (known - {*ARRAYS}) - _NOT_ALWAYS)
        if unknown:
            raise ValueError(f'PackPoseInputs: meta_keys {unknown} are not known for batches')
        packed = {name for names in self._mapping_tables() for name in names}
        others = _META_KEYS | _NOT_HELD | known | set(self.metainfo)
        missing = sorted(packed & others - {*ARRAYS})
        if missing:
            raise ValueError(f'PackPoseInputs: batches do not hold {missing}')


def prepare_in_batches(dataset: Any, on_device: bool = False) -> str:
    """Let torch's data loader take whole batches from a data set, if it can give them.

    Args:
        dataset (Dataset): A data set after :func:`.speed_up_dataset`; changed in place.
        on_device (bool): Whether the device warps whole images. Defaults to False.

    Returns:
        str: What is done, for the log; empty if nothing is.
    """
    getattr(dataset, '__dict__', {}).pop(BATCHES, None)
    for make in (BatchedPipeline, partial(BottomupBatches, on_device=on_device)):
        try:
            batches = make(dataset)
        except ValueError:
            continue
        adapt(dataset, _batches=batches)
        return batches.summary
    return ''


def _check_dataset(dataset: Any) -> None:
    """Check that a data set makes its samples as mmpose's data sets do.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(dataset, BaseCocoStyleDataset) or not dataset.serialize_data:
        raise ValueError('not a data set of mmpose with serialized annotations')
    check_class(dataset)
    kind: Any = own_class(dataset)
    same = kind.get_data_info is BaseCocoStyleDataset.get_data_info and kind.prepare_data in (
        BaseCocoStyleDataset.prepare_data,
        CheckedCocoDataset.prepare_data,
    )
    if not same or dataset.data_mode != 'topdown' or dataset.test_mode or not len(dataset):
        raise ValueError('not training samples as those of BaseCocoStyleDataset')


def _loader(steps: list[Any]) -> tuple[Loader, Callable | None, list[Any]]:
    """Return a function that loads images, one that returns what it loads them by from the meta
    information and an annotation (None: the path), and the transforms after it.

    Raises:
        ValueError: If the first transform does not load images late.
    """
    pack = None
    if steps and hasattr(steps[0], 'load_person'):  # LoadPackedPerson
        pack, *steps = steps
    if not steps or type(steps[0]) is not FastLoadImage or steps[0].ignore_empty:
        raise ValueError('images are not decoded late')
    reading, *steps = steps
    if pack is None:
        return partial(_from_file, reading.backend_args), None, steps
    return pack.load_person, partial(_key_of, pack), steps


def _from_file(backend_args: dict | None, path: bytes) -> DeferredImage:
    name = os.fsdecode(path)
    return EncodedImage(fileio.get(name, backend_args=backend_args), name)


def _key_of(pack: Any, metainfo: dict, info: dict) -> bytes:
    """Return the key in a pack of a person whose annotation lacks the meta information."""
    halves = {name: metainfo[name] for name in ('upper_body_ids', 'lower_body_ids')}
    return pack.key_of({**info, **halves})


def _affine(steps: list[Any]) -> tuple[FastTopdownAffine, list[Any], list[Any]]:
    """Return the affine, the transforms before it and those after it.

    Raises:
        ValueError: If there is none.
    """
    for at, step in enumerate(steps):
        if type(step) is FastTopdownAffine:
            return step, steps[:at], steps[at + 1 :]
    raise ValueError('no TopdownAffine')
