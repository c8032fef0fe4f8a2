# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write a pack with any number of processes, which resume the work of killed ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmpose_ext.apps.shared.arguments import ArgumentError
from mmpose_ext.apps.shared.data_sets import build_data_set
from mmpose_ext.datasets.pack import (
    ImageState,
    Meta,
    PackError,
    default_path,
    packable,
    reach_of,
)
from mmpose_ext.datasets.pack.records import (
    META,
    image_key,
    open_environment,
    person_key,
    sha256_of,
)

from .claims import claim_key, claimed_batches, done_key
from .crops import cut_out
from .job import PackJob

#: Images per batch of a process.
BATCH = 32


class ReplacePackError(ArgumentError, PackError):
    """A damaged pack; the message names the argument that replaces it."""


def plan_packs(configs: Sequence[str | Path], options: dict | None = None) -> list[PackJob]:
    """Return the packs that training with the configs needs, one per annotation file.

    Args:
        configs (Sequence[str | Path]): Configs of mmpose or of this package.
        options (dict, optional): Merged into each, as ``--cfg-options``.

    Raises:
        ValueError: If a config's training data set cannot be packed.
    """
    jobs: dict[Path, PackJob] = {}
    for config in configs:
        if not os.path.isfile(config):
            raise ValueError(f'config {config} does not exist: give the path of a .py file')
        cfg = Config.fromfile(config)
        if options:
            cfg.merge_from_dict(options)
        if not cfg.get('train_dataloader'):
            raise ValueError(f'config {config} has no train_dataloader: nothing to pack')
        dataset = build_data_set(cfg.train_dataloader.dataset)
        for part, steps in packable(dataset):
            path, reach = default_path(part.ann_file), reach_of(steps)
            if path in jobs:
                reach = reach.union(jobs[path].reach)
            jobs[path] = PackJob(path, part, reach)
    return list(jobs.values())


def prepare_pack(job: PackJob, size: int = 384, quality: int = 95, anew: bool = False) -> Meta:
    """Prepare a pack for filling, and remove contents of other annotations or settings.

    Batches with changed images are redone.

    Args:
        job (PackJob): The pack.
        size (int): Longest side of a crop in pixels. Defaults to 384.
        quality (int): Quality of the JPEGs. Defaults to 95.
        anew (bool): Whether to discard an existing pack. Defaults to False.

    Returns:
        Meta: The description of the pack.

    Raises:
        PackError: If the file is damaged.
    """
    batches = batches_of(job.dataset)
    meta = Meta(
        sha256_of(job.dataset.ann_file), len(job.dataset), len(batches), size, quality, job.reach
    )
    if anew:
        shutil.rmtree(job.path, ignore_errors=True)
    job.path.mkdir(parents=True, exist_ok=True)
    with _environment(job.path) as environment:
        with environment.begin(write=True) as transaction:
            try:
                known = Meta.from_bytes(transaction.get(META) or b'')
            except ValueError:
                known = None
            if known is not None and _does_for(known, meta):
                meta = known
            else:
                transaction.drop(environment.open_db(txn=transaction), delete=False)
                transaction.put(META, meta.to_bytes())
        _open_changed(environment, job, batches)
    return meta


def fill_pack(
    job: PackJob, meta: Meta, tell: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Cut out all people that are not in a pack yet.

    Several processes may fill one pack; each takes batches of images that no other process has.

    Args:
        job (PackJob): The pack to write.
        meta (Meta): The result of :func:`prepare_pack`.
        tell (Callable): Called with the number of finished batches and of all batches. Defaults to
            no call.

    Raises:
        PackError: If the file is damaged, or an image cannot be read.
    """
    batches = batches_of(job.dataset)
    with _environment(job.path) as environment:
        for number in claimed_batches(environment, len(batches), tell):
            try:
                records = dict(cut_out(job, batches[number], meta))
            except BaseException:
                with environment.begin(write=True) as transaction:
                    transaction.delete(claim_key(number))
                raise
            with environment.begin(write=True) as transaction:
                for key, value in records.items():
                    transaction.put(key, value)
                transaction.put(done_key(number), b'')
                transaction.delete(claim_key(number))


def batches_of(dataset: Any) -> list[dict[str, list[int]]]:
    """Return images by path with the indices of their people, in batches of :data:`BATCH`.

    Raises:
        PackError: If two people have the same id.
    """
    people: dict[str, list[int]] = {}
    keys = set()
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        people.setdefault(info['img_path'], []).append(index)
        key = person_key(info)
        if key in keys:
            raise PackError(f'{dataset.ann_file}: two people have the id {info["id"]}')
        keys.add(key)
    items = list(people.items())
    return [dict(items[i : i + BATCH]) for i in range(0, len(items), BATCH)]


@contextmanager
def _environment(path: Path) -> Iterator[Any]:
    """Open a pack for writing.

    Raises:
        PackError: If it is damaged.
    """
    import lmdb

    try:
        environment = open_environment(path)
    except PackError as error:
        raise ReplacePackError('{error}; replace it with {}', 'anew=True', error=error) from error
    try:
        yield environment
    except lmdb.Error as error:
        raise ReplacePackError(
            'pack {path} is damaged ({error}); replace it with {}',
            'anew=True',
            path=path,
            error=error,
        ) from error
    finally:
        environment.close()


def _does_for(known: Meta, wanted: Meta) -> bool:
    """Return whether an existing pack suffices: the same settings and no smaller reach."""
    alike = replace(wanted, reach=known.reach) == known
    return alike and known.reach.covers(wanted.reach)


def _open_changed(environment: Any, job: PackJob, batches: list[dict]) -> None:
    """Redo the batches with changed images."""
    with environment.begin() as transaction:
        states = {
            number: [(path, transaction.get(image_key(job.dataset, path))) for path in batch]
            for number, batch in enumerate(batches)
            if transaction.get(done_key(number)) is not None
        }
    with environment.begin(write=True) as transaction:
        for number, of_batch in states.items():
            if not all(s and ImageState.from_bytes(s).describes(path) for path, s in of_batch):
                transaction.delete(done_key(number))
