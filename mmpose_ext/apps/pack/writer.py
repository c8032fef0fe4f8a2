# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write a pack with any number of processes, which resume the work of killed ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmpose_ext.datasets.pack import Meta, PackError
from mmpose_ext.datasets.pack.errors import DamagedPackError, explained, unwritable
from mmpose_ext.datasets.pack.records import (
    META,
    open_environment,
    person_key,
    sha256_of,
    state_key,
)
from mmpose_ext.datasets.pack.use import missing_and_changed
from mmpose_ext.utils.errors import ArgumentError

from .claims import Claims
from .crops import cut_out, require_crops
from .job import Batch, PackJob, batches_of

#: Default of the longest side of a crop, in pixels, and of the quality of the JPEGs.
SIZE, QUALITY = 384, 95
#: Seconds between two checks of other processes' batches, and until a message names them.
PAUSE, PATIENCE = 0.2, 10.0


class ReplacePackError(ArgumentError, PackError):
    """A damaged pack; the message names the argument that replaces it."""


def prepare_pack(
    job: PackJob, size: int | None = None, quality: int | None = None, anew: bool = False
) -> Meta:
    """Prepare a pack for filling, and forget crops of other annotations, images or settings.

    Args:
        job (PackJob): The pack.
        size (int, optional): Longest side of a crop in pixels. Defaults to that of an existing
            pack, or to :data:`SIZE`.
        quality (int, optional): Quality of the JPEGs. Defaults to that of an existing pack, or to
            :data:`QUALITY`.
        anew (bool): Whether to discard the crops of an existing pack. Defaults to False.

    Returns:
        Meta: The description of the pack. Its reach also covers that of an existing pack, unless
        ``anew``.

    Raises:
        ArgumentError: If a setting is out of range.
        PackError: If the pack cannot be written or is damaged.
    """
    require_crops(size, quality)
    try:
        job.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(job.path, error.strerror or str(error)) from error
    known = _discard(job.path) if anew else None
    with _environment(job.path) as environment:
        with environment.begin(write=True) as transaction:
            held = _meta_in(transaction)
            known = known or held
            meta = Meta(
                sha256_of(job.ann_file),
                size or (known.size if known else SIZE),
                quality or (known.quality if known else QUALITY),
                job.reach.union(held.reach) if held else job.reach,
            )
            if held != meta:
                transaction.drop(environment.open_db(txn=transaction), delete=False)
                transaction.put(META, meta.to_bytes())
        for dataset in job.datasets:
            with environment.begin() as transaction:
                changed = missing_and_changed(transaction.get, dataset)[1]
            with environment.begin(write=True) as transaction:
                for key in changed:
                    transaction.delete(state_key(key))
    return meta


def fill_pack(
    job: PackJob,
    meta: Meta,
    tell: Callable[[int, int], None] = lambda done, total: None,
    tell_waiting: Callable[[int], None] = lambda process: None,
) -> int:
    """Cut out all people of a job that are not in its pack yet.

    Several processes may fill one pack; each takes batches of images that no other process has.

    Args:
        job (PackJob): The pack to write.
        meta (Meta): The result of :func:`prepare_pack`.
        tell (Callable): Called with the number of finished batches and of all batches. Defaults to
            no call.
        tell_waiting (Callable): Called with the id of another process that works on the last
            batches for longer than :data:`PATIENCE`. Defaults to no call.

    Returns:
        int: The number of people in the pack, which may be more than those of the job.

    Raises:
        PackError: If the pack or an image cannot be read or written, or if another process has
            changed the settings of the pack.
    """
    batches = batches_of(job)
    left, since = list(range(len(batches))), time.monotonic()
    with _environment(job.path) as environment, Claims(job.path / 'claims') as claims:
        while left:
            of_others: list[int] = []
            for position, number in enumerate(left, 1):
                if claims.take(number):
                    try:
                        _fill(environment, job.path, batches[number], meta)
                    finally:
                        claims.release(number)
                    since = time.monotonic()
                else:
                    of_others.append(number)
                tell(len(batches) - len(left) + position - len(of_others), len(batches))
            left = of_others
            if left:
                if time.monotonic() - since > PATIENCE:
                    tell_waiting(claims.holder(left[0]))
                    since = time.monotonic()
                time.sleep(PAUSE)
        with environment.begin() as transaction:
            return (transaction.stat()['entries'] - 1) // 2  # META and two records per person


def _fill(environment: Any, path: Path, batch: Batch, meta: Meta) -> None:
    """Write the people of a batch that are missing."""
    with environment.begin() as transaction:
        missing = {
            image: [
                info
                for dataset, index in people
                for info in [dataset.get_data_info(index)]
                if transaction.get(state_key(person_key(info))) is None
            ]
            for image, people in batch.items()
        }
    records = dict(cut_out({k: v for k, v in missing.items() if v}, meta))
    if not records:
        return
    with environment.begin(write=True) as transaction:
        if _meta_in(transaction) != meta:
            raise PackError(
                f'pack {path}: another process has changed its settings: run the command again'
            )
        for key, value in records.items():
            transaction.put(key, value)


def _meta_in(transaction: Any) -> Meta | None:
    """Return the description of a pack; None without one."""
    try:
        return Meta.from_bytes(transaction.get(META) or b'')
    except ValueError:
        return None


def _discard(path: Path) -> Meta | None:
    """Remove the files of a pack; return its description, if it can be read."""
    meta = None
    with suppress(PackError), _environment(path) as environment, environment.begin() as transaction:
        meta = _meta_in(transaction)
    for name in ('data.mdb', 'lock.mdb'):
        (path / name).unlink(missing_ok=True)
    return meta


@contextmanager
def _environment(path: Path) -> Iterator[Any]:
    """Open a pack for writing.

    Raises:
        PackError: If it cannot be written or is damaged.
    """
    import lmdb

    try:
        environment = open_environment(path)
        try:
            yield environment
        except lmdb.Error as error:
            raise explained(path, error, writing=True) from error
        finally:
            environment.close()
    except DamagedPackError as error:
        raise ReplacePackError('{error}; replace it with {}', 'anew=True', error=error) from error
