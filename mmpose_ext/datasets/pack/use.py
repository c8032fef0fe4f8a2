# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Let a data set read from packs, if they are up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmpose_ext.datasets.fast import speed_up_dataset
from mmpose_ext.datasets.fast.pipeline import first_loader, steps_that_look

from .packed_image import LoadPackedPerson
from .reach import Reach, reach_of
from .reader import COMMAND, PackReader
from .records import ImageState, PackError, default_path, image_key, sha256_of


def use_pack(
    dataset: Any, path: str | Path | None = None, command: str = COMMAND, check_images: bool = True
) -> list[str]:
    """Make a data set, and those that it wraps, read people from packs.

    Its transforms are also replaced by faster ones; see :func:`.speed_up_dataset`.

    Args:
        dataset (Dataset): A top-down data set of mmpose, or a wrapper around one.
        path (str | Path, optional): Path of the pack. Defaults to the one next to each annotation.
        command (str): Command that makes a pack, for error messages. Defaults to 'mmpose-ext pack
            CONFIG'.
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
        after (Sequence): Transforms of the enclosing wrappers. Defaults to none.

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
        PackError: If it was made from others.
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
    """Return the paths of a data set's images that have changed since the pack was made."""
    changed = []
    for path in dict.fromkeys(dataset.get_data_info(i)['img_path'] for i in range(len(dataset))):
        state = reader.get(image_key(dataset, path))
        if state is None or not ImageState.from_bytes(state).describes(path):
            changed.append(path)
    return changed
