# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write a pack with any number of processes, which resume the work of killed ones."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.config import Config

from mmpose_ext.apps.shared.arguments import ArgumentError
from mmpose_ext.apps.shared.data_sets import build_data_set
from mmpose_ext.datasets.pack import (
    Crop,
    ImageState,
    Meta,
    PackError,
    PackReader,
    Reach,
    default_path,
    packable,
    reach_of,
    surroundings,
)
from mmpose_ext.datasets.pack.records import (
    META,
    image_key,
    open_environment,
    person_key,
    sha256_of,
)
from mmpose_ext.datasets.pack.tiles import TiledJpeg
from mmpose_ext.datasets.pack.use import changed_images

#: Images per batch of a process.
BATCH = 32
#: Seconds after which the claim of a process on another machine no longer counts.
PATIENCE = 600


class ReplacePackError(ArgumentError, PackError):
    """A damaged pack; the message names the argument that replaces it."""


@dataclass
class PackJob:
    """One pack to write.

    Attributes:
        path (Path): Path of the pack.
        dataset (Dataset): The data set with its people.
        reach (Reach): The reach of all pipelines that use it.
    """

    path: Path
    dataset: Any
    reach: Reach


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
        for number in _claims(environment, len(batches), tell):
            try:
                records = dict(_cut_out(job, batches[number], meta))
            except BaseException:
                with environment.begin(write=True) as transaction:
                    transaction.delete(_claim(number))
                raise
            with environment.begin(write=True) as transaction:
                for key, value in records.items():
                    transaction.put(key, value)
                transaction.put(_done(number), b'')
                transaction.delete(_claim(number))


def check_pack(job: PackJob) -> list[str]:
    """Check a whole pack and all of its images.

    Returns:
        list[str]: The faults.

    Raises:
        PackError: If it is missing, incomplete or damaged as a whole.
    """
    reader = PackReader(job.path)
    try:
        return _faults(job, reader)
    finally:
        reader.close()


def _faults(job: PackJob, reader: PackReader) -> list[str]:
    wrong = []
    if reader.meta.ann_sha256 != sha256_of(job.dataset.ann_file):
        wrong.append(f'{job.dataset.ann_file} has changed since')
    for index in range(len(job.dataset)):
        key = person_key(job.dataset.get_data_info(index))
        try:
            crop = reader.crop(key)
            file = np.frombuffer(crop.picture.content, np.uint8)
            if cv2.imdecode(file, cv2.IMREAD_COLOR) is None:
                wrong.append(f'person {key.decode()[2:]}: the crop is no image')
        except PackError as error:
            wrong.append(str(error))
    wrong += [f'{path} has changed since' for path in changed_images(reader, job.dataset)]
    return wrong


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
            if transaction.get(_done(number)) is not None
        }
    with environment.begin(write=True) as transaction:
        for number, of_batch in states.items():
            if not all(s and ImageState.from_bytes(s).describes(path) for path, s in of_batch):
                transaction.delete(_done(number))


def _claims(environment: Any, total: int, tell: Callable[[int, int], None]) -> Iterator[int]:
    """Yield indices of batches, each claimed for this process, until all are done."""
    open_batches = list(range(total))
    while open_batches:
        claimed = None
        with environment.begin(write=True) as transaction:
            open_batches = [n for n in open_batches if transaction.get(_done(n)) is None]
            for number in open_batches:
                if not _is_alive(transaction.get(_claim(number))):
                    claimed = number
                    mine = [socket.gethostname(), os.getpid(), time.time()]
                    transaction.put(_claim(number), json.dumps(mine).encode())
                    break
        tell(total - len(open_batches), total)
        if claimed is not None:
            yield claimed
        elif open_batches:
            time.sleep(0.2)  # other processes work on them


def _is_alive(claim: bytes | None) -> bool:
    """Return whether the process that claimed a batch still works on it."""
    if claim is None:
        return False
    host, process, since = json.loads(bytes(claim))
    if host != socket.gethostname():
        return time.time() - since < PATIENCE
    if process == os.getpid():  # an earlier process had the same id
        return False
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


def _cut_out(
    job: PackJob, batch: dict[str, list[int]], meta: Meta
) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of the people and the images of a batch.

    Raises:
        PackError: If an image cannot be read.
    """
    for path, people in batch.items():
        try:
            content = Path(path).read_bytes()
            state = ImageState.of(path, content)
        except OSError as error:
            raise PackError(f'image {path} cannot be read: {error.strerror}') from error
        image = mmcv.imfrombytes(content, backend='cv2') if content else None
        if image is None:
            raise PackError(f'image {path} is empty, cut short or damaged: replace it and go on')
        for index in people:
            info = job.dataset.get_data_info(index)
            crop = cut_crop(image, surroundings(info, meta.reach), meta.size, meta.quality)
            yield person_key(info), crop.to_bytes()
        yield image_key(job.dataset, path), state.to_bytes()


def cut_crop(image: np.ndarray, region: tuple[int, int, int, int], size: int, quality: int) -> Crop:
    """Cut a region out of an image, clipped to the image, and reduce it to a largest size.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        region (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels.
        size (int): Longest side of the crop.
        quality (int): Quality of the JPEG.
    """
    height, width = image.shape[:2]
    x1, y1 = min(max(region[0], 0), width - 1), min(max(region[1], 0), height - 1)
    x2, y2 = max(min(region[2], width), x1 + 1), max(min(region[3], height), y1 + 1)
    pixels = image[y1:y2, x1:x2]
    by = size / max(pixels.shape[:2])
    if by < 1:
        reduced = (max(round((x2 - x1) * by), 1), max(round((y2 - y1) * by), 1))
        pixels = cv2.resize(pixels, reduced, interpolation=cv2.INTER_AREA)
    return Crop((x1, y1, x2, y2), (width, height), TiledJpeg.encode(pixels, quality))


def _done(number: int) -> bytes:
    return f'd:{number}'.encode()


def _claim(number: int) -> bytes:
    return f'c:{number}'.encode()
