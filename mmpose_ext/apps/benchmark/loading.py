# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure a contestant's data loader: throughput, and bytes per sample sent to the model."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from torch import Tensor

from mmpose_ext.apps.shared.data_sets import build_data_set, dataset_configs
from mmpose_ext.apps.synthetic import generate
from mmpose_ext.datasets.fast import SampleBatch
from mmpose_ext.utils.errors import ArgumentError

from .contestants import Contestant

IMAGES = 96  # by default
IMAGE_SIZE = (640, 480)


@contextlib.contextmanager
def synthetic_set(images: int = IMAGES) -> Iterator[dict]:
    """Yield the settings of a temporary data set of synthetic people in 640x480 images."""
    with TemporaryDirectory() as folder:
        out = generate(
            Path(folder) / 'set', dict(train=images), image_size=IMAGE_SIZE, progress=False
        )
        ann_file = str(out / 'annotations' / 'person_keypoints_train.json')
        yield dict(type='CocoDataset', ann_file=ann_file, data_prefix=dict(img=str(out / 'train')))


def fits_synthetic_people(contestant: Contestant) -> bool:
    """Return whether the config's keypoints are COCO's 17, which the synthetic people have."""
    return contestant.metainfo['num_keypoints'] == 17


def build_dataset(contestant: Contestant, given: dict | str) -> Any:
    """Build a data set with the contestant's pipeline and the given images.

    Args:
        contestant (Contestant): The contestant with the pipeline.
        given (dict | str): Settings of a COCO data set, or the root folder of the config's data
            set.

    Raises:
        ArgumentError: If there is no such folder.
        ValueError: If the data set cannot be built.
        OSError: If a file is missing.
    """
    if isinstance(given, str):
        if not Path(given).is_dir():
            raise ArgumentError('{} {given} is not a folder', 'data_root', given=given)
        cfg = deepcopy(contestant.dataset)
        for part in dataset_configs(cfg):
            if not part.get('datasets') and not part.get('dataset'):  # no wrapper
                part['data_root'] = given
        cfg['pipeline'] = contestant.pipeline
    else:
        mode = 'bottomup' if contestant.is_bottomup else 'topdown'
        cfg = dict(given, data_mode=mode, pipeline=contestant.pipeline)
    with contextlib.redirect_stdout(None):  # pycocotools prints messages
        return build_data_set(cfg)


def loader_measure(
    dataset: Any,
    workers: int,
    batch: int,
    batches: int,
    collate: Callable[[Sequence], dict] = pseudo_collate,
) -> Callable[[], float]:
    """Return a function that measures seconds per batch of a new loader, after a warm-up.

    Args:
        dataset (Dataset): The data set.
        workers (int): Number of worker processes; 0 loads in the calling process.
        batch (int): Samples per batch.
        batches (int): Number of batches to time.
        collate (Callable): Makes a batch. Defaults to mmengine's.
    """
    sampler = dict(type='InfiniteSampler', shuffle=True, seed=0)
    cfg = dict(batch_size=batch, num_workers=workers, sampler=sampler, dataset=dataset)

    def measure() -> float:
        loader = Runner.build_dataloader(cfg)
        loader.collate_fn = collate
        iterator = iter(loader)
        for _ in range(2 * workers + 2):
            next(iterator)
        start = time.perf_counter()
        for _ in range(batches):
            samples = next(iterator)['data_samples']
            if isinstance(samples, SampleBatch):
                samples.samples()
        return (time.perf_counter() - start) / batches

    return measure


def bytes_of(item: dict) -> tuple[int, int]:
    """Return the bytes of a pickled sample with its image, and of its target tensors."""
    sample = item['data_samples']
    held = [sample.gt_instance_labels, *([sample.gt_fields] if 'gt_fields' in sample else [])]
    values = itertools.chain.from_iterable(data.values() for data in held)
    tensors = [value for value in values if isinstance(value, Tensor)]
    return len(pickle.dumps(item)), sum(v.numel() * v.element_size() for v in tensors)
