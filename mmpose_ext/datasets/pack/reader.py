# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train from a pack: read crops of people instead of their images."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_ext.datasets.fast import DeferredImage, speed_up_dataset
from mmpose_ext.datasets.fast.deferred_image import Box, decode_baseline, reduction
from mmpose_ext.datasets.fast.pipeline import first_loader, steps_that_look

from .reach import Reach, reach_of
from .records import (
    META,
    VERSION,
    Crop,
    ImageState,
    Meta,
    PackError,
    default_path,
    image_key,
    open_environment,
    person_key,
    sha256_of,
)

COMMAND = 'mmpose-ext pack CONFIG'


class _Opened:
    """An environment shared by all readers of this process, as LMDB opens a file only once."""

    known: ClassVar[WeakValueDictionary] = WeakValueDictionary()

    def __init__(self, path: str) -> None:
        self.environment = open_environment(
            path, readonly=True, lock=False, readahead=False, max_spare_txns=4
        )

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, 'environment'):
            self.environment.close()

    @classmethod
    def of(cls, path: str) -> _Opened:
        """Return the environment of a path in this process; environments do not survive a fork."""
        key = (os.getpid(), os.path.realpath(path))
        for (process, _), inherited in list(cls.known.items()):
            if process != os.getpid():
                inherited.close()
        opened = cls.known.get(key)
        if opened is None:
            opened = cls.known[key] = cls(path)
        return opened


class PackReader:
    """Read a pack. Each process opens it itself; a reader is pickled as its path.

    Args:
        path (str | Path): Path of the pack.
        command (str): Command that makes the pack, for error messages.

    Raises:
        PackError: If it is missing, damaged or incomplete.
    """

    def __init__(self, path: str | Path, command: str = COMMAND) -> None:
        self.path = str(path)
        self.command = command
        self._opened, self._process = None, None
        if not (Path(path) / 'data.mdb').is_file():
            raise PackError(f'pack {path} is missing: run `{command}`')
        try:
            self.meta = self._read_meta()
        except BaseException:
            self.close()
            raise

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _opened=None, _process=None)

    def close(self) -> None:
        """Close the file; later reads open it again."""
        self._opened, self._process = None, None

    def get(self, key: bytes, read: Callable[[memoryview], Any] = bytes) -> Any:
        """Return a value converted by a function, by default its bytes; None if there is no value.

        Raises:
            PackError: If the file is damaged.
        """
        import lmdb

        try:
            with self._open().begin(buffers=True) as transaction:
                value = transaction.get(key)
                return None if value is None else read(value)
        except lmdb.Error as error:
            raise self.damaged(str(error)) from error

    def crop(self, key: bytes) -> Crop:
        """Return a person's crop.

        Raises:
            PackError: If it is missing or damaged.
        """
        name = key.decode()[2:]
        try:
            crop = self.get(key, Crop.from_bytes)
        except PackError:
            raise
        except ValueError as error:
            raise self.damaged(f'person {name}: {error}') from error
        if crop is None:
            raise PackError(f'pack {self.path} has no person {name}: run `{self.command}`')
        return crop

    def count(self, prefix: bytes) -> int:
        """Return the number of keys with a prefix."""
        with self._open().begin() as transaction:
            return sum(1 for _ in keys_from(transaction, prefix))

    def damaged(self, why: str) -> PackError:
        """Return the error for a damaged pack."""
        return PackError(f'pack {self.path} is damaged ({why}): run `{self.command} --anew`')

    def _read_meta(self) -> Meta:
        import lmdb

        try:
            content = self.get(META)
            meta = None if content is None else Meta.from_bytes(content)
            done = self.count(b'd:')
        except (ValueError, lmdb.Error) as error:
            if isinstance(error, PackError) and '--anew' in str(error):
                raise
            raise self.damaged(str(error)) from error
        if meta is not None and meta.version != VERSION:
            raise PackError(f'pack {self.path} is of another version: run `{self.command}`')
        if meta is None or done < meta.batches:
            of = f'{done} of {meta.batches} parts' if meta else 'nothing'
            raise PackError(f'pack {self.path} holds {of} so far: run `{self.command}` to the end')
        return meta

    def _open(self):
        if self._process != os.getpid():
            self._opened, self._process = _Opened.of(self.path), os.getpid()
        return self._opened.environment


class PackedImage(DeferredImage):
    """An image of which only a person's surroundings exist.

    Args:
        crop (Crop): The surroundings.
        name (str): Name for error messages.
    """

    def __init__(self, crop: Crop, name: str = '') -> None:
        super().__init__(crop.image_size)
        self._crop = crop
        self._name = name

    def pixels(self, scale: float = 1.0, box: Box | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Decode; see :meth:`DeferredImage.pixels`.

        Raises:
            ValueError: If the crop is not a JPEG.
        """
        x1, y1, x2, y2 = self._crop.region
        picture = self._crop.picture
        by_x, by_y = (x2 - x1) / picture.size[0], (y2 - y1) / picture.size[1]
        needed = (0, 0, *picture.size)
        if box is not None:
            needed = (
                math.floor((box[0] - x1) / by_x) - 1, math.floor((box[1] - y1) / by_y) - 1,
                math.ceil((box[2] - x1) / by_x) + 1, math.ceil((box[3] - y1) / by_y) + 1,
            )  # fmt: skip
        content, (left, top, right, bottom) = picture.cut(needed)
        by = reduction(scale * min(by_x, by_y))
        pixels = decode_baseline(content, (right - left, bottom - top), by)
        if pixels is None:
            raise ValueError(f'{self._name}: the crop is no image')
        width, height = min(right, picture.size[0]) - left, min(bottom, picture.size[1]) - top
        pixels = pixels[: -(-height // by), : -(-width // by)]  # without the padding
        middle = (by - 1) / 2
        x, y = x1 + (left + middle + 0.5) * by_x - 0.5, y1 + (top + middle + 0.5) * by_y - 0.5
        return pixels, (by * by_x, by * by_y, x, y)


@TRANSFORMS.register_module()
class LoadPackedPerson(BaseTransform):
    """Load a person's crop as ``img``. Place it before ``FastLoadImage``.

    Required key: ``id``. Added key: ``img``, a :class:`.PackedImage`.

    Args:
        reader (PackReader): Reader of the data set's pack.
    """

    def __init__(self, reader: PackReader) -> None:
        self.reader = reader

    def transform(self, results: dict) -> dict:
        """Read the crop.

        Raises:
            PackError: If it is missing or damaged.
        """
        key = person_key(results)
        results['img'] = PackedImage(self.reader.crop(key), f'{self.reader.path}, {key.decode()}')
        return results


def use_pack(
    dataset: Any, path: str | Path | None = None, command: str = COMMAND, check_images: bool = True
) -> list[str]:
    """Make a data set, and those that it wraps, read people from packs.

    Its transforms are also replaced by faster ones; see :func:`.speed_up_dataset`.

    Args:
        dataset (Dataset): A top-down data set of mmpose, or a wrapper around one.
        path (str | Path, optional): Path of the pack. Defaults to the one next to each annotation.
        command (str): Command that makes a pack, for error messages.
        check_images (bool): Whether to compare the images' sizes and times, and the content of
            those whose time has changed. Defaults to True.

    Returns:
        list[str]: Paths of the packs.

    Raises:
        PackError: If a pack is missing, damaged, incomplete or stale, or if its reach is smaller
            than the pipeline's.
        ValueError: If a pack cannot serve the data set or its pipeline.
    """
    speed_up_dataset(dataset)
    parts = list(packable(dataset))
    if path is not None and len(parts) > 1:
        raise ValueError(f'{len(parts)} data sets cannot share pack {path}: leave its path out')
    used = []
    for part, steps in parts:
        loader = first_loader(steps)
        looking = ['no LoadImage'] if loader is None else steps_that_look(steps, loader)
        if looking:
            raise ValueError(
                f'a pack cannot serve this pipeline: {", ".join(looking)} needs the whole image'
            )
        reader = PackReader(path or default_path(part.ann_file), command)
        try:
            check_fresh(reader, part, reach_of(steps), check_images)
        except BaseException:
            reader.close()
            raise
        part.pipeline.transforms.insert(0, LoadPackedPerson(reader))
        used.append(reader.path)
    return used


def packable(dataset: Any, after: Sequence[Any] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the data sets with annotated people, each with all transforms of its samples.

    Args:
        dataset (Dataset): A data set of mmpose, or a wrapper around one.
        after (Sequence): Transforms of the enclosing wrappers.

    Raises:
        ValueError: If one is not top-down.
    """
    own = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    inner = [part for part in inner if part is not None]
    for part in inner:
        yield from packable(part, [*own, *after])
    if not inner:
        if getattr(dataset, 'data_mode', None) != 'topdown' or not dataset.ann_file:
            raise ValueError(f'{type(dataset).__name__}: only top-down data sets can be packed')
        yield dataset, [*own, *after]


def check_fresh(reader: PackReader, dataset: Any, reach: Reach, check_images: bool = True) -> None:
    """Compare a pack with the annotations, the images and the pipeline that it is used with.

    Raises:
        PackError: If it was made of others.
    """
    why = None
    if reader.meta.ann_sha256 != sha256_of(dataset.ann_file):
        why = f'{dataset.ann_file} has changed since'
    elif reader.meta.samples != len(dataset):
        why = f'it has {reader.meta.samples} people, the data set {len(dataset)}'
    elif not reader.meta.reach.covers(reach):
        why = f'it was made for a smaller augmentation, {reader.meta.reach}, than {reach}'
    elif check_images:
        changed = changed_images(reader, dataset)
        if changed:
            why = f'{len(changed)} image(s) have changed since, {changed[0]} for one'
    if why:
        raise PackError(f'pack {reader.path} is stale: {why}. Run `{reader.command}`')


def changed_images(reader: PackReader, dataset: Any) -> list[str]:
    """Paths of a data set's images that are not as the pack knows them."""
    changed = []
    for path in dict.fromkeys(dataset.get_data_info(i)['img_path'] for i in range(len(dataset))):
        state = reader.get(image_key(dataset, path))
        if state is None or not ImageState.from_bytes(state).describes(path):
            changed.append(path)
    return changed


def keys_from(transaction: Any, prefix: bytes) -> Iterator[bytes]:
    """Keys of an LMDB transaction that start with a prefix."""
    cursor = transaction.cursor()
    if cursor.set_range(prefix):
        for key in cursor.iternext(keys=True, values=False):
            key = bytes(key)
            if not key.startswith(prefix):
                return
            yield key
