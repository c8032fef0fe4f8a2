# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pictures and videos of predicted people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_ext.apps.shared.inputs import Frame, Source

from .instance_scoring import Person
from .settings import Drawing

if TYPE_CHECKING:  # imports mmdet
    from mmpose.visualization import PoseLocalVisualizer

_KEPT_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def draw_people(
    visualizer: PoseLocalVisualizer,
    pixels: np.ndarray,
    people: Sequence[Person],
    keypoint_thr: float = Drawing.keypoint_thr,
    draw_boxes: bool = Drawing.draw_boxes,
) -> np.ndarray:
    """Draw skeletons with mmpose's visualizer.

    Args:
        visualizer (PoseLocalVisualizer): A visualizer with the data set's metainfo set.
        pixels (np.ndarray): (H, W, 3) uint8, BGR; not changed.
        people (Sequence[Person]): The people to draw.
        keypoint_thr (float): Keypoints need a score above it. Defaults to 0.3.
        draw_boxes (bool): Whether to draw the boxes too, if there are any. Defaults to False.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.
    """
    if not people:
        return pixels.copy()
    keypoints = np.stack([person.keypoints for person in people]).astype(np.float32)
    found = InstanceData(keypoints=keypoints[..., :2], keypoint_scores=keypoints[..., 2])
    found.keypoints_visible = found.keypoint_scores
    boxes = [person.box for person in people]
    draw_boxes = draw_boxes and all(box is not None for box in boxes)
    if draw_boxes:
        found.bboxes = np.stack(boxes)
        found.bbox_scores = np.array([person.score for person in people], np.float32)
    sample = PoseDataSample(pred_instances=found)
    visualizer.add_datasample(
        'picture',
        pixels[..., ::-1],
        sample,
        draw_gt=False,
        draw_bbox=draw_boxes,
        kpt_thr=keypoint_thr,
    )
    return np.ascontiguousarray(visualizer.get_image()[..., ::-1])


class PictureWriter:
    """Write drawn frames: pictures under their source's name, one video per video or webcam.

    Args:
        folder (str | os.PathLike): Output folder, created at the first write.
        sources (Iterable[Source]): All sources that will be drawn.

    Raises:
        FileExistsError: If an output would replace one of the inputs.
    """

    def __init__(self, folder: str | os.PathLike, sources: Iterable[Source]) -> None:
        self.folder = Path(folder)
        self.paths: dict[Source, Path] = {}
        sources = list(sources)
        originals = {os.path.realpath(s.path) for s in sources if s.kind != 'webcam'}
        for source in sources:
            path = self._free_path(source)
            if os.path.realpath(path) in originals:
                raise FileExistsError(
                    f'the picture {path} would replace an input: choose another folder'
                )
            self.paths[source] = path
        self._video: tuple[Source, cv2.VideoWriter] | None = None

    def _free_path(self, source: Source) -> Path:
        name = re.sub(r'[/\\:]+', '_', source.name.replace('../', '')).lstrip('_')
        suffix = PurePath(name).suffix.lower()
        if source.kind != 'image':
            name = PurePath(name).stem + '.mp4'
        elif suffix not in _KEPT_SUFFIXES:
            name += '.png'
        taken, number = set(self.paths.values()), 2
        path = self.folder / name
        while path in taken:
            path = self.folder / f'{PurePath(name).stem}-{number}{PurePath(name).suffix}'
            number += 1
        return path

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Write one frame's picture.

        Raises:
            OSError: If it cannot be written.
        """
        path = self.paths[frame.source]
        self.folder.mkdir(parents=True, exist_ok=True)
        if frame.index is None:
            whole, data = cv2.imencode(path.suffix, picture)
            if not whole:
                raise OSError(f'OpenCV cannot write {path.suffix} pictures')
            path.write_bytes(data.tobytes())
            return
        if self._video is None or self._video[0] != frame.source:
            self.close()
            size = (picture.shape[1], picture.shape[0])
            video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), frame.fps, size)
            if not video.isOpened():
                raise OSError(f'OpenCV cannot write the video {path}')
            self._video = (frame.source, video)
        self._video[1].write(picture)

    def close(self) -> None:
        """Finish the video that is being written."""
        if self._video is not None:
            self._video[1].release()
            self._video = None


def show(picture: np.ndarray, wait: int) -> bool:
    """Show a picture in a window.

    Args:
        picture (np.ndarray): (H, W, 3) uint8, BGR.
        wait (int): Milliseconds to wait for a key; 0 waits for one.

    Returns:
        bool: Whether to continue; False after Escape or q.

    Raises:
        RuntimeError: If there is no display or OpenCV has no windows.
    """
    try:
        cv2.imshow('mmpose-ext predict', picture)
        return cv2.waitKey(wait) & 0xFF not in (27, ord('q'))
    except cv2.error as error:
        raise RuntimeError(
            'no window can be shown: there is no display, or OpenCV is built without windows '
            '(opencv-python-headless). Look at the files instead'
        ) from error
