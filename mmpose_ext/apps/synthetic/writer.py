# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the data set: images, COCO annotations, detections and a manifest of complete files."""

from __future__ import annotations

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

from mmpose_ext.utils.ranges import require_least

from .detections import detect
from .folder import (
    MANIFEST,
    SPLITS,
    VERSION,
    annotation_file,
    checked_settings,
    claim,
    image_id,
    image_name,
    is_done,
    write_file,
    write_json,
)
from .scene import Annotation, Scene, make_scene
from .skeleton import KEYPOINT_NAMES, SKELETON

T = TypeVar('T')


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
        Path: The folder.

    Raises:
        ArgumentError: If a setting is out of range.
        FileExistsError: If the folder holds something else and ``overwrite`` is not set.
    """
    settings = checked_settings(splits, seed, people, image_size, quality)
    if workers is None:
        workers = min(2, os.cpu_count() or 1)
    require_least(1, workers=workers)
    out = Path(out_dir)
    if is_done(out, settings):
        return out
    claim(out, settings, overwrite)
    for split, count in settings['splits'].items():
        _write_split(out, split, count, settings, workers, progress)
    write_json(out / MANIFEST, {**settings, 'complete': True})
    return out


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
    write_file(out / split / image_name(split, index), data.tobytes())
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
    write_json(annotation_file(out, 'detections', split), sum(detections, []))
    write_json(
        annotation_file(out, 'keypoints', split),
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
