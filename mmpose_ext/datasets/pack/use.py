# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Let a data set read from packs, if they are up to date."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import Any

from mmengine.dataset import Compose

from mmpose_ext.datasets.fast import FastLoadImage, speed_up_dataset
from mmpose_ext.datasets.fast.pipeline import first_loader, parts_of, steps_that_look, transforms_of

from .errors import PackError
from .packed_image import LoadPackedPerson
from .reach import Reach, reach_of
from .reader import COMMAND, PackReader
from .records import ImageState, default_path, person_key, sha256_of, state_key


def use_pack(
    dataset: Any,
    path: str | Path | None = None,
    command: str | Callable[[], str] = COMMAND,
    check_images: bool = True,
    later: Sequence[Any] = (),
) -> list[str]:
    """Make a data set, and those that it wraps, read people from packs.

    Its transforms are also replaced by faster ones; see :func:`.speed_up_dataset`.

    Args:
        dataset (Dataset): A top-down data set of mmpose, or a wrapper around one.
        path (str | Path, optional): Path of the pack. Defaults to the one next to each annotation
            file.
        command (str | Callable): Command that makes a pack, for error messages, without ``--out``,
            or a function that returns it when a message needs it. Defaults to 'mmpose-ext pack
            CONFIG'.
        check_images (bool): Whether to compare the images' sizes and times, and the content of
            those whose time has changed. Defaults to True.
        later (Sequence): Pipelines (configs) that will replace the data set's own, and that the
            packs must serve, too. Defaults to none.

    Returns:
        list[str]: Paths of the packs.

    Raises:
        PackError: If a pack is missing, damaged or stale, if it lacks people, or if its reach is
            smaller than the pipeline's.
        ValueError: If a pack cannot serve the data set or its pipeline.
    """
    speed_up_dataset(dataset)
    parts = list(packable(dataset))
    others = [with_pipeline(dataset, pipeline) for pipeline in later]
    for other in others:
        speed_up_dataset(other)
    stages = [parts, *(list(packable(other)) for other in others)]
    if path is not None:
        files = list(dict.fromkeys(part.ann_file for part, _ in parts))
        if len(files) > 1:
            raise ValueError(
                f'one pack ({path}) cannot serve several annotation files: {", ".join(files)}'
            )
        command = partial(_command_for, command, path)
    used = []
    for same in zip(*stages):
        part = same[0][0]
        reach = reduce(Reach.union, (_reach_from_crops(steps) for _, steps in same))
        reader = PackReader(path or default_path(part.ann_file), command)
        try:
            found = differences(reader, part, reach, check_images)
            if found:
                more = f' (and {len(found) - 1} more)' if len(found) > 1 else ''
                raise PackError(f'pack {reader.path} {found[0]}{more}: run `{reader.command}`')
        except BaseException:
            reader.close()
            raise
        own = part.pipeline.transforms
        own[:] = [step for step in own if not isinstance(step, LoadPackedPerson)]
        own.insert(0, LoadPackedPerson(reader))
        used.append(reader.path)
    return used


def with_pipeline(dataset: Any, pipeline: Sequence[Any]) -> Any:
    """Return a shallow copy of a data set with another pipeline, given as a config."""
    other = copy.copy(dataset)
    other.pipeline = Compose(copy.deepcopy(list(pipeline)))
    return other


def _reach_from_crops(steps: list[Any]) -> Reach:
    """Return the reach of a pipeline's transforms.

    Raises:
        ValueError: If a pack cannot serve the pipeline.
    """
    loader = first_loader(steps)
    looking = ['no LoadImage'] if loader is None else steps_that_look(steps, loader)
    if looking:
        raise ValueError(
            f'a pack cannot serve this pipeline: {", ".join(looking)} needs the whole image'
        )
    if type(steps[loader]) is not FastLoadImage:
        raise ValueError(
            f'a pack cannot serve this pipeline: {steps[loader]} must read color images as '
            'uint8 by OpenCV, in the same pipeline as TopdownAffine'
        )
    return reach_of(steps)


def _command_for(command: str | Callable[[], str], path: str | Path) -> str:
    command = command() if callable(command) else command
    return f'{command} --out {shlex.quote(str(path))}'


def packable(dataset: Any, after: Sequence[Any] = ()) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the data sets with annotated people, each with all transforms of its samples.

    Args:
        dataset (Dataset): A data set of mmpose, or a wrapper around one.
        after (Sequence): Transforms of the enclosing wrappers. Defaults to none.

    Raises:
        ValueError: If one is not top-down.
    """
    own = transforms_of(dataset)
    inner = parts_of(dataset)
    for part in inner:
        yield from packable(part, [*own, *after])
    if not inner:
        if getattr(dataset, 'data_mode', None) != 'topdown' or not dataset.ann_file:
            raise ValueError(f'{type(dataset).__name__}: only top-down data sets can be packed')
        yield dataset, [*own, *after]


def differences(
    reader: PackReader, dataset: Any, reach: Reach, check_images: bool = True
) -> list[str]:
    """Compare a pack with what a data set and its pipeline need.

    Args:
        reader (PackReader): The pack.
        dataset (Dataset): The data set. The pack may hold more people.
        reach (Reach): The reach of its pipeline.
        check_images (bool): Whether to compare the images. Defaults to True.

    Returns:
        list[str]: What the pack lacks and what has changed since, as predicates.
    """
    meta = reader.meta
    if meta.ann_sha256 != sha256_of(dataset.ann_file):
        return [f'is stale: {dataset.ann_file} has changed since']
    found = []
    if not meta.reach.covers(reach):
        found.append(f'was made for a smaller augmentation, {meta.reach}, than {reach}')
    missing, changed = missing_and_changed(reader.get, dataset, check_images)
    if missing:
        held = len(dataset) - len(missing)
        found.append(f'holds {held} of the {len(dataset)} people so far')
    images = dict.fromkeys(changed.values())
    return found + [f'is stale: image {path} has changed since' for path in images]


def missing_and_changed(
    get: Callable[[bytes], Any], dataset: Any, check_images: bool = True
) -> tuple[list[bytes], dict[bytes, str]]:
    """Look up all people of a data set in a pack.

    Args:
        get (Callable): Returns the record with a key; None if the pack has none.
        dataset (Dataset): The data set.
        check_images (bool): Whether to look at the images. Defaults to True.

    Returns:
        tuple[list[bytes], dict[bytes, str]]: The keys of the people that the pack does not hold,
        and those whose image has changed since they were cut out, with its path.
    """
    missing: list[bytes] = []
    changed: dict[bytes, str] = {}
    looked_at: dict[tuple[str, bytes], bool] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        key, path = person_key(info), info['img_path']
        state = get(state_key(key))
        if state is None:
            missing.append(key)
        elif check_images:
            known = path, bytes(state)
            if known not in looked_at:
                looked_at[known] = ImageState.from_bytes(known[1]).describes(path)
            if not looked_at[known]:
                changed[key] = path
    return missing, changed
