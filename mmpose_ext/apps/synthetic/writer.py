# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the data set: images, COCO annotations, detections and a manifest of complete files."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Callable, TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from ..shared.arguments import ArgumentError
from .detections import detect
from .scene import Annotation, Scene, make_scene
from .skeleton import KEYPOINT_NAMES, SKELETON

T = TypeVar('T')
VERSION = 1  # increase it when a seed gives different pictures
MANIFEST = 'manifest.json'
SPLITS = ('train', 'val', 'test')
MOST_IMAGES, MOST_PEOPLE = 1_000_000, 60
LEAST_PIXELS = 600  # each person needs this much of the image


class OccupiedFolderError(ArgumentError, FileExistsError):
    """A folder with other files; the message names the argument that allows to write there."""


def generate(
    out_dir: str | os.PathLike,
    splits: Mapping[str, int] | None = None,
    seed: int = 0,
    people: tuple[int, int] = (1, 4),
    image_size: tuple[int, int] = (320, 240),
    workers: int | None = None,
    overwrite: bool = False,
    quality: int = 92,
    progress: bool = True,
) -> Path:
    """Write a synthetic multi-person keypoint data set in COCO format.

    In one environment the bytes depend only on the settings (numpy's arithmetic and OpenCV's JPEG
    encoder differ between environments). Image i of a split depends only on (seed, split, i,
    people, image_size, quality). A finished data set with the same settings is kept; an unfinished
    one is rebuilt.

    Args:
        out_dir (str | os.PathLike): Folder of the data set; created if missing.
        splits (Mapping[str, int], optional): Number of images of 'train', 'val' and 'test'. None
            gives 1000 training and 200 validation images.
        seed (int): Any non-negative integer. Defaults to 0.
        people (tuple[int, int]): Fewest and most people per image, 1 to 60. Defaults to (1, 4).
        image_size (tuple[int, int]): (w, h) in pixels, at least 64 each. Defaults to (320, 240).
        workers (int, optional): Number of processes, which does not change the result. Defaults to
            2, or 1 on one core.
        overwrite (bool): Whether to replace a data set that has other settings. Defaults to False.
        quality (int): Quality of the JPEGs, 1 to 100. Defaults to 92.
        progress (bool): Whether to show a progress bar. Defaults to True.

    Returns:
        The folder.

    Raises:
        ValueError: If a setting is out of range.
        FileExistsError: If the folder holds something else and ``overwrite`` is not set.
    """
    settings = _checked(splits, seed, people, image_size, quality)
    if workers is None:
        workers = min(2, os.cpu_count() or 1)
    if workers < 1:
        raise ValueError(f'workers is {workers}: give at least 1')
    out = Path(out_dir)
    if _is_done(out, settings):
        return out
    _claim(out, settings, overwrite)
    for split, count in settings['splits'].items():
        _write_split(out, split, count, settings, workers, progress)
    _write_json(out / MANIFEST, {**settings, 'complete': True})
    return out


def _checked(
    splits: Mapping[str, int] | None,
    seed: int,
    people: tuple[int, int],
    image_size: tuple[int, int],
    quality: int,
) -> dict:
    """Return the settings for the manifest; raise ValueError if one is invalid."""
    splits = {'train': 1000, 'val': 200} if splits is None else dict(splits)
    for split, count in splits.items():
        if split not in SPLITS:
            raise ValueError(f'splits has {split!r}: the splits are {", ".join(SPLITS)}')
        if not 0 <= count < MOST_IMAGES:
            raise ValueError(f'splits[{split!r}] is {count}: give 0 to {MOST_IMAGES - 1} images')
    if not sum(splits.values()):
        raise ValueError('splits has no images: give at least one split a number')
    if seed < 0:
        raise ValueError(f'seed is {seed}: give a non-negative integer')
    if len(people) != 2 or not 1 <= people[0] <= people[1] <= MOST_PEOPLE:
        raise ValueError(
            f'people is {tuple(people)}: give (fewest, most), 1 <= fewest <= most <= {MOST_PEOPLE}'
        )
    if len(image_size) != 2 or min(image_size) < 64 or max(image_size) > 4096:
        raise ValueError(
            f'image_size is {tuple(image_size)}: give (width, height), 64 to 4096 pixels'
        )
    if image_size[0] * image_size[1] < LEAST_PIXELS * people[1]:
        raise ValueError(
            f'image_size {tuple(image_size)} is too small for {people[1]} people: give at '
            f'least {LEAST_PIXELS} pixels per person'
        )
    if not 1 <= quality <= 100:
        raise ValueError(f'quality is {quality}: give 1 to 100')
    return {
        'generator': 'mmpose_ext.apps.synthetic',
        'version': VERSION,
        'seed': int(seed),
        'splits': {s: int(splits[s]) for s in SPLITS if splits.get(s)},
        'people': [int(n) for n in people],
        'image_size': [int(n) for n in image_size],
        'quality': int(quality),
    }


def _read_manifest(out: Path) -> dict | None:
    try:
        manifest = json.loads((out / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and str(manifest.get('generator')).endswith('synthetic')
    return manifest if ours else None


def _annotation_file(out: Path, kind: str, split: str) -> Path:
    return out / 'annotations' / f'person_{kind}_{split}.json'


def _is_done(out: Path, settings: dict) -> bool:
    """Return whether the folder holds the complete data set with these settings."""
    if _read_manifest(out) != {**settings, 'complete': True}:
        return False
    for split, count in settings['splits'].items():
        files = [_annotation_file(out, kind, split) for kind in ('keypoints', 'detections')]
        if not all(file.is_file() for file in files):
            return False
        names = {entry.name for entry in os.scandir(out / split)} if (out / split).is_dir() else ()
        if any(image_name(split, i) not in names for i in range(count)):
            return False
    return True


def _claim(out: Path, settings: dict, overwrite: bool) -> None:
    """Prepare the folder: refuse one with other files, and clear an earlier data set."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f'{out} is a file: give a folder')
    manifest = _read_manifest(out) if out.exists() else None
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
            raise OccupiedFolderError(
                '{out} holds a data set with other settings ({changed} differ): give another '
                'folder, or {} to replace it',
                'overwrite=True',
                out=out,
                changed=', '.join(changed),
            )
    out.mkdir(parents=True, exist_ok=True)
    # From here on the data set counts as unfinished.
    _write_json(out / MANIFEST, {**settings, 'complete': False})
    for split in SPLITS:
        for kind in ('keypoints', 'detections'):
            _annotation_file(out, kind, split).unlink(missing_ok=True)
        if manifest is not None and (out / split).is_dir():
            for file in (out / split).glob('[0-9]*.jpg*'):
                file.unlink()
    (out / 'annotations').mkdir(exist_ok=True)
    for split in settings['splits']:
        (out / split).mkdir(exist_ok=True)


def image_id(split: str, index: int) -> int:
    """Return an id that is unique over splits: from 1 in train, 1000001 in val, 2000001 in test."""
    return SPLITS.index(split) * MOST_IMAGES + index + 1


def image_name(split: str, index: int) -> str:
    """Return the file name of an image: its id with 12 digits."""
    return f'{image_id(split, index):012d}.jpg'


def _write_atomically(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + '.tmp')
    temporary.write_bytes(data)
    os.replace(temporary, path)


def _write_json(path: Path, content: object) -> None:
    _write_atomically(path, json.dumps(content, separators=(',', ':')).encode())


def _split_entropy(settings: dict, split: str, index: int) -> list[int]:
    return [settings['seed'], SPLITS.index(split), index]


def make_image(settings: dict, split: str, index: int) -> Scene:
    """Make the scene of one image with the settings of the manifest."""
    return make_scene(
        _split_entropy(settings, split, index),
        tuple(settings['image_size']),
        tuple(settings['people']),
    )


def _write_image(index: int, out: Path, split: str, settings: dict) -> tuple[dict, list, list]:
    """Draw and write image ``index``; return its COCO image, annotations and detections."""
    cv2.setNumThreads(1)
    scene = make_image(settings, split, index)
    done, data = cv2.imencode('.jpg', scene.image, [cv2.IMWRITE_JPEG_QUALITY, settings['quality']])
    if not done:
        raise RuntimeError(f'OpenCV could not encode {image_name(split, index)}')
    _write_atomically(out / split / image_name(split, index), data.tobytes())
    number = image_id(split, index)
    people = [a for a in scene.annotations if a.area]  # nobody can label a fully hidden person
    width, height = settings['image_size']
    image = {'id': number, 'file_name': image_name(split, index), 'width': width, 'height': height}
    annotations = [_coco_annotation(a, number, i) for i, a in enumerate(people)]
    rng = np.random.default_rng([*_split_entropy(settings, split, index), 1 << 20])
    boxes = np.array([a.bbox for a in people], float).reshape(-1, 4)
    shown = np.array([(a.keypoints[:, 2] == 2).mean() for a in people])
    found = detect(rng, boxes, np.clip(shown / 0.8, 0, 1), (width, height))
    detections = [
        {
            'image_id': number,
            'category_id': 1,
            'bbox': np.round(box, 2).tolist(),
            'score': round(score, 5),
        }
        for box, score in found
    ]
    return image, annotations, detections


def _coco_annotation(annotation: Annotation, number: int, index: int) -> dict:
    keypoints = [
        int(value) if value == int(value) else value
        for value in annotation.keypoints.ravel().tolist()
    ]
    return {
        'id': number * 100 + index,
        'image_id': number,
        'category_id': 1,
        'iscrowd': 0,
        'keypoints': keypoints,
        'num_keypoints': int((annotation.keypoints[:, 2] > 0).sum()),
        'bbox': annotation.bbox.tolist(),
        'area': annotation.area,
        'segmentation': annotation.segmentation,
    }


def _write_split(
    out: Path, split: str, count: int, settings: dict, workers: int, progress: bool
) -> None:
    work = partial(_write_image, out=out, split=split, settings=settings)
    threads = cv2.getNumThreads()
    # before forking: OpenCV's thread pool does not survive a fork, and a process that then changes
    # the number of threads waits for them forever
    cv2.setNumThreads(1)
    try:
        with tqdm(total=count, desc=f'{split} images', unit='img', disable=not progress) as bar:
            results = []
            for result in _ordered(work, count, min(workers, count)):
                results.append(result)
                bar.update()
    finally:
        cv2.setNumThreads(threads)
    images, annotations, detections = zip(*results)
    _write_json(_annotation_file(out, 'detections', split), sum(detections, []))
    _write_json(
        _annotation_file(out, 'keypoints', split),
        {
            'info': {
                'description': f'Synthetic people, split {split}, seed {settings["seed"]}',
                'version': str(VERSION),
            },
            'licenses': [],
            'categories': [
                {
                    'id': 1,
                    'name': 'person',
                    'supercategory': 'person',
                    'keypoints': list(KEYPOINT_NAMES),
                    'skeleton': [list(pair) for pair in SKELETON],
                }
            ],
            'images': list(images),
            'annotations': sum(annotations, []),
        },
    )


def _ordered(work: Callable[[int], T], count: int, workers: int) -> Iterator[T]:
    """Yield the results of work(0), work(1), ... in order, from one or more processes."""
    if workers <= 1:
        yield from map(work, range(count))
        return
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context('fork' if 'fork' in methods else None)
    # Only the parent handles Ctrl-C; it then ends its workers.
    with context.Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap(work, range(count), chunksize=8)
