# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Which packs configs need, and the people in them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

from mmpose_ext.apps.shared.configs import read_config
from mmpose_ext.apps.shared.data_sets import build_data_set
from mmpose_ext.apps.shared.model_checks import default_scope
from mmpose_ext.datasets.pack import Reach, default_path, packable, reach_of
from mmpose_ext.datasets.pack.reader import COMMAND
from mmpose_ext.datasets.pack.records import person_key
from mmpose_ext.datasets.pack.use import with_pipeline
from mmpose_ext.utils.errors import ArgumentError

#: Images per batch of a process.
BATCH = 32
#: Images by path, with the data sets and indices of their people.
Batch = Dict[str, List[Tuple[Any, int]]]


@dataclass
class PackJob:
    """One pack to write.

    Attributes:
        path (Path): Path of the pack.
        datasets (list[Dataset]): Data sets with people of one annotation file. The pack holds the
            people of all.
        reach (Reach): The reach of all pipelines that use it.
        command (str): The command that writes it. Defaults to 'mmpose-ext pack CONFIG'.
    """

    path: Path
    datasets: list[Any]
    reach: Reach
    command: str = COMMAND

    @property
    def ann_file(self) -> str:
        """The path of the annotation file."""
        return self.datasets[0].ann_file


def plan_packs(
    configs: Sequence[str | Path], options: dict | None = None, out: str | Path | None = None
) -> list[PackJob]:
    """Return the packs that training with the configs needs, one per annotation file.

    Args:
        configs (Sequence[str | Path]): Configs of mmpose or of this package.
        options (dict, optional): Merged into each, as ``--cfg-options``.
        out (str | Path, optional): Path of the pack. Defaults to one next to each annotation file.

    Raises:
        FileNotFoundError: If a config is missing.
        ValueError: If a config's training data set cannot be packed, or if ``out`` is given for
            several annotation files.
    """
    words = [str(config) for config in configs]
    if options:
        words += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
    if out is not None:
        words += ['--out', str(out)]
    command = f'mmpose-ext pack {" ".join(map(shlex.quote, words))}'
    jobs: dict[Path, PackJob] = {}
    for config in configs:
        dataset, *later = _training_sets(config, options)
        for part, steps in packable(dataset):
            path, reach = default_path(part.ann_file), reach_of(steps)
            job = jobs.setdefault(path, PackJob(path, [], reach, command))
            job.datasets.append(part)
            job.reach = job.reach.union(reach)
        for part, steps in (pair for other in later for pair in packable(other)):
            job = jobs[default_path(part.ann_file)]
            job.reach = job.reach.union(reach_of(steps))
    if out is not None:
        if len(jobs) > 1:
            files = ', '.join(job.ann_file for job in jobs.values())
            raise ArgumentError(
                '{} names one pack, but the configs need {files}', 'out', files=files
            )
        for job in jobs.values():
            job.path = Path(out)
    return list(jobs.values())


def _training_sets(config: str | Path, options: dict | None) -> list[Any]:
    """Return the training data set with its first pipeline, and with those that hooks give it."""
    cfg = read_config(config, options)
    if not cfg.get('train_dataloader'):
        raise ValueError(f'config {config} has no train_dataloader: nothing to pack')
    dataset = build_data_set(cfg.train_dataloader.dataset)
    later = [hook.get('switch_pipeline') for hook in cfg.get('custom_hooks') or ()]
    with default_scope('mmpose'):
        return [dataset, *(with_pipeline(dataset, pipeline) for pipeline in later if pipeline)]


def batches_of(job: PackJob) -> list[Batch]:
    """Return the people of a job, each once, in batches of :data:`BATCH` images."""
    images: Batch = {}
    keys: set[bytes] = set()
    for dataset in job.datasets:
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            key = person_key(info)
            if key not in keys:
                keys.add(key)
                images.setdefault(info['img_path'], []).append((dataset, index))
    items = list(images.items())
    return [dict(items[i : i + BATCH]) for i in range(0, len(items), BATCH)]
