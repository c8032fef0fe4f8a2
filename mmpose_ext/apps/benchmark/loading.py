# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Throughput of a contestant's data loader, and bytes per sample on the way to the model."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.runner import Runner
from mmpose.registry import DATASETS
from torch import Tensor

from .contestants import Contestant

IMAGES = 96
IMAGE_SIZE = (640, 480)


@contextlib.contextmanager
def synthetic_set(images: int = IMAGES) -> Iterator[dict]:
    """Settings of a data set of synthetic people, of 640x480 images in a temporary folder."""
    from mmpose_ext.apps.synthetic import generate

    with TemporaryDirectory() as folder:
        out = generate(
            Path(folder) / 'set', dict(train=images), image_size=IMAGE_SIZE, progress=False
        )
        ann_file = str(out / 'annotations' / 'person_keypoints_train.json')
        yield dict(type='CocoDataset', ann_file=ann_file, data_prefix=dict(img=str(out / 'train')))


def fits_synthetic_people(contestant: Contestant) -> bool:
    """Whether the config's keypoints are COCO's 17, as the synthetic people's."""
    return contestant.metainfo['num_keypoints'] == 17


def build_dataset(contestant: Contestant, given: dict | str) -> Any:
    """The contestant's pipeline over given images.

    Args:
        contestant (Contestant): Whose pipeline.
        given (dict | str): Settings of a COCO data set, or the root folder of the data set that the
            config names.
    """
    if isinstance(given, str):
        cfg = deepcopy(contestant.dataset)
        for part in (cfg, *cfg.get('datasets', ())):
            part['data_root'] = given
        cfg['pipeline'] = contestant.pipeline
    else:
        mode = 'bottomup' if contestant.is_bottomup else 'topdown'
        cfg = dict(given, data_mode=mode, pipeline=contestant.pipeline)
    with contextlib.redirect_stdout(None):  # pycocotools talks
        return DATASETS.build(cfg)


def loader_measure(dataset: Any, workers: int, batch: int, batches: int) -> Callable[[], float]:
    """Seconds a batch out of a new loader, once its workers have used up their head start.

    Args:
        dataset (Dataset): Of samples.
        workers (int): Processes; 0: none but the caller.
        batch (int): Samples in a batch.
        batches (int): How many are timed.
    """
    sampler = dict(type='InfiniteSampler', shuffle=True, seed=0)
    cfg = dict(batch_size=batch, num_workers=workers, sampler=sampler, dataset=dataset)

    def measure() -> float:
        iterator = iter(Runner.build_dataloader(cfg))
        for _ in range(2 * workers + 2):
            next(iterator)
        start = time.perf_counter()
        for _ in range(batches):
            next(iterator)
        return (time.perf_counter() - start) / batches

    return measure


def bytes_of(item: dict) -> tuple[int, int]:
    """Bytes of a packed sample, pickled with its image, and those of its targets' tensors."""
    sample = item['data_samples']
    held = [sample.gt_instance_labels, *([sample.gt_fields] if 'gt_fields' in sample else [])]
    values = itertools.chain.from_iterable(data.values() for data in held)
    return len(pickle.dumps(item)), sum(v.nbytes for v in values if isinstance(v, Tensor))
