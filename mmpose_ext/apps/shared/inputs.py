# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Inputs of a prediction: images, folders, videos and webcams, read frame by frame."""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine.utils import scandir

from mmpose_ext.utils.sequences import zip_equal

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')
_WEBCAM = re.compile(r'(?:webcam:)?(\d+)$')


@dataclass(frozen=True)
class Failure:
    """An input that could not be used, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f'{self.path}: {self.reason}'


@dataclass(frozen=True)
class Source:
    """One image file, video file or webcam.

    Attributes:
        kind (str): ``'image'``, ``'video'`` or ``'webcam'``.
        path (str): The file, or the webcam's index.
        name (str): Its name in the results, unique among the inputs: the file's name, or its path
            as given if two files have the same name.
    """

    kind: str
    path: str
    name: str


@dataclass(frozen=True)
class Frame:
    """One image to predict on.

    Attributes:
        source (Source): The source of the frame.
        index (int | None): The frame's number in a video or webcam, counted from 0; None for
            images.
        pixels (np.ndarray): (H, W, 3) uint8, BGR.
        fps (float): Frames per second of the video; 0 for images.
    """

    source: Source
    index: int | None
    pixels: np.ndarray
    fps: float = 0.0

    @property
    def name(self) -> str:
        """The source's name, with ``#index`` for a frame of a video."""
        return self.source.name if self.index is None else f'{self.source.name}#{self.index}'


def expand_inputs(inputs: str | os.PathLike | Sequence) -> tuple[list[Source], list[Failure]]:
    """Convert paths and webcam indices to sources, in order and without duplicates.

    Args:
        inputs (str | os.PathLike | Sequence): One or more of: an image file; a folder, of which all
            images are used, sorted by name and without subfolders; a video file; a webcam's index
            (``0`` or ``'webcam:0'``, unless a file has that name).

    Returns:
        tuple: The sources, and a failure for each missing input or empty folder.
    """
    if isinstance(inputs, (str, os.PathLike, int)):
        inputs = [inputs]
    found: dict[str, str] = {}  # real path or webcam index: path as given
    kinds: dict[str, str] = {}
    failures = []
    for item in map(os.fspath, (str(i) if isinstance(i, int) else i for i in inputs)):
        webcam = _WEBCAM.match(item)
        if os.path.isdir(item):
            names = scandir(item, IMAGE_SUFFIXES, case_sensitive=False)
            files = [str(Path(item) / name) for name in sorted(names)]
            if not files:
                failures.append(Failure(item, f'the folder holds no {", ".join(IMAGE_SUFFIXES)}'))
        elif os.path.isfile(item):
            files = [item]
        elif webcam:
            index = str(int(webcam.group(1)))
            found.setdefault(f'webcam {index}', index)
            kinds[f'webcam {index}'] = 'webcam'
            continue
        else:
            failures.append(Failure(item, 'no such file or folder'))
            continue
        for file in files:
            key = os.path.realpath(file)
            found.setdefault(key, file)
            is_video = (mimetypes.guess_type(file)[0] or '').startswith('video/')
            kinds[key] = 'video' if is_video else 'image'
    return _named(found, kinds), failures


def _named(found: dict[str, str], kinds: dict[str, str]) -> list[Source]:
    names = [
        f'webcam{path}' if kinds[key] == 'webcam' else Path(path).name
        for key, path in found.items()
    ]
    return [
        Source(kinds[key], path, name if names.count(name) == 1 else Path(path).as_posix())
        for name, (key, path) in zip_equal(names, found.items())
    ]


def count_frames(sources: Iterable[Source], max_frames: int | None = None) -> int | None:
    """Return the number of frames by the videos' headers; None if it cannot be known."""
    total = 0
    for source in sources:
        frames = 1
        if source.kind == 'video':
            capture = cv2.VideoCapture(source.path)
            frames = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
            capture.release()
        elif source.kind == 'webcam':
            if max_frames is None:
                return None
            frames = max_frames
        total += frames if max_frames is None else min(frames, max_frames)
    return total


def read_frames(
    sources: Iterable[Source], failures: list[Failure], max_frames: int | None = None
) -> Generator[Frame, None, None]:
    """Yield the frames of all sources in order.

    If a source cannot be read, or ends earlier than its header says, the function appends it to
    ``failures`` and continues with the next one.

    Args:
        sources (Iterable[Source]): The sources from :func:`expand_inputs`.
        failures (list[Failure]): The list to append to.
        max_frames (int, optional): Largest number of frames of each video or webcam.
    """
    for source in sources:
        if source.kind == 'image':
            pixels = _read_image(source.path, failures)
            if pixels is not None:
                yield Frame(source, None, pixels)
        else:
            yield from _read_video(source, failures, max_frames)


def _read_image(path: str, failures: list[Failure]) -> np.ndarray | None:
    try:
        pixels = mmcv.imread(path, backend='cv2')
    except (OSError, ValueError, cv2.error) as error:
        failures.append(Failure(path, f'cannot be read ({error})'))
        return None
    if pixels is None:
        failures.append(Failure(path, 'not an image, cut short or damaged'))
    return pixels


def _read_video(source: Source, failures: list[Failure], max_frames: int | None) -> Iterator[Frame]:
    webcam = source.kind == 'webcam'
    capture = cv2.VideoCapture(int(source.path) if webcam else source.path)
    try:
        if not capture.isOpened():
            what = 'no such webcam, or in use' if webcam else 'not a video, cut short or damaged'
            failures.append(Failure(source.name if webcam else source.path, what))
            return
        fps = capture.get(cv2.CAP_PROP_FPS)
        told = 0 if webcam else int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        index = 0
        while max_frames is None or index < max_frames:
            whole, pixels = capture.read()
            if not whole:
                break
            yield Frame(source, index, pixels, fps if fps > 0 else 25.0)
            index += 1
        if index == 0 and max_frames != 0:
            failures.append(Failure(source.path, 'holds no frame that can be read'))
        # headers are estimates: one missing frame does not mean damage
        elif index + 1 < (told if max_frames is None else min(told, max_frames)):
            failures.append(Failure(source.path, f'ends after {index} of its {told} frames'))
    finally:
        capture.release()
