# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The folder of a data set: its settings, manifest and files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_least, require_range

VERSION = 1  # increase it when a seed gives different pictures
MANIFEST = 'manifest.json'
IMAGES = {'train': 1000, 'val': 200}  # by default
SPLITS = ('train', 'val', 'test')
MOST_IMAGES, MOST_PEOPLE = 1_000_000, 60
LEAST_PIXELS = 600  # each person needs this much of the image


class OccupiedFolderError(ArgumentError, FileExistsError):
    """A folder with other files; the message names the argument that allows to write there."""


def checked_settings(
    splits: Mapping[str, int] | None,
    seed: int,
    people: tuple[int, int],
    image_size: tuple[int, int],
    quality: int,
) -> dict:
    """Return the settings for the manifest; raise ArgumentError if one is invalid."""
    splits = dict(IMAGES if splits is None else splits)
    for split, count in splits.items():
        if split not in SPLITS:
            known = ', '.join(SPLITS)
            raise ArgumentError('{} are {known}, not {split!r}', 'splits', known=known, split=split)
        require_range(0, MOST_IMAGES - 1, **{f'splits[{split!r}]': count})
    if not sum(splits.values()):
        raise ArgumentError('there are no images to make: set one of {} above 0', 'splits')
    require_least(0, seed=seed)
    require_range(1, 100, quality=quality)
    if len(people) != 2 or not 1 <= people[0] <= people[1] <= MOST_PEOPLE:
        raise ArgumentError(
            '{} must be the fewest and the most, 1 <= fewest <= most <= {limit}, not {given}',
            'people',
            limit=MOST_PEOPLE,
            given=tuple(people),
        )
    if len(image_size) != 2 or min(image_size) < 64 or max(image_size) > 4096:
        raise ArgumentError(
            '{} must be width and height, 64 to 4096 pixels, not {given}',
            'image_size',
            given=tuple(image_size),
        )
    if image_size[0] * image_size[1] < LEAST_PIXELS * people[1]:
        raise ArgumentError(
            '{} {size} is too small for {people} people: give at least {least} pixels per person, '
            'or less {}',
            'image_size',
            'people',
            size=tuple(image_size),
            people=people[1],
            least=LEAST_PIXELS,
        )
    return {
        'generator': 'mmpose_ext.apps.synthetic',
        'version': VERSION,
        'seed': int(seed),
        'splits': {s: int(splits[s]) for s in SPLITS if splits.get(s)},
        'people': [int(n) for n in people],
        'image_size': [int(n) for n in image_size],
        'quality': int(quality),
    }


def image_id(split: str, index: int) -> int:
    """Return an id that is unique over splits: from 1 in train, 1000001 in val, 2000001 in test."""
    return SPLITS.index(split) * MOST_IMAGES + index + 1


def image_name(split: str, index: int) -> str:
    """Return the file name of an image: its id with 12 digits."""
    return f'{image_id(split, index):012d}.jpg'


def read_manifest(out: Path) -> dict | None:
    try:
        manifest = json.loads((out / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and str(manifest.get('generator')).endswith('synthetic')
    return manifest if ours else None


def annotation_file(out: Path, kind: str, split: str) -> Path:
    return out / 'annotations' / f'person_{kind}_{split}.json'


def is_done(out: Path, settings: dict) -> bool:
    """Return whether the folder holds the complete data set with these settings."""
    if read_manifest(out) != {**settings, 'complete': True}:
        return False
    for split, count in settings['splits'].items():
        files = [annotation_file(out, kind, split) for kind in ('keypoints', 'detections')]
        if not all(file.is_file() for file in files):
            return False
        names = {entry.name for entry in os.scandir(out / split)} if (out / split).is_dir() else ()
        if any(image_name(split, i) not in names for i in range(count)):
            return False
    return True


def claim(out: Path, settings: dict, overwrite: bool) -> None:
    """Prepare the folder: refuse one with other files, and clear an earlier data set."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: give a folder')
    manifest = read_manifest(out) if out.exists() else None
    if not overwrite and out.exists() and any(out.iterdir()):
        if manifest is None:
            raise OccupiedFolderError(
                '{out} holds files that this generator did not write: give an empty or new folder, '
                'or {} to write into it anyway',
                'overwrite=True',
                out=out,
            )
        same = {k: v for k, v in manifest.items() if k != 'complete'} == settings
        if not same:
            changed = [k for k in settings if settings[k] != manifest.get(k)]
            arguments = [k for k in changed if k not in ('generator', 'version')]
            shown = ', '.join('{}' if name in arguments else name for name in changed)
            raise OccupiedFolderError(
                f'{{out}} holds a data set with other settings ({shown} differ): give another '
                'folder, or {} to replace it',
                *arguments,
                'overwrite=True',
                out=out,
            )
    out.mkdir(parents=True, exist_ok=True)
    # From here on the data set counts as unfinished.
    write_json(out / MANIFEST, {**settings, 'complete': False})
    for split in SPLITS:
        for kind in ('keypoints', 'detections'):
            annotation_file(out, kind, split).unlink(missing_ok=True)
        if manifest is not None and (out / split).is_dir():
            for file in (out / split).glob('[0-9]*.jpg*'):
                file.unlink()
    (out / 'annotations').mkdir(exist_ok=True)
    for split in settings['splits']:
        (out / split).mkdir(exist_ok=True)


def write_file(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + '.tmp')
    temporary.write_bytes(data)
    os.replace(temporary, path)


def write_json(path: Path, content: object) -> None:
    write_file(path, json.dumps(content, separators=(',', ':')).encode())
