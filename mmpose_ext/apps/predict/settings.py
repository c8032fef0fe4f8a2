# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The settings of :func:`mmpose_ext.apps.predict.predict`, in groups."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmengine.config import Config

from mmpose_ext.apps.shared.inferencers import PERSON
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_number, require_range

#: Fields of :class:`BoxSource`, each of which gives boxes.
BOX_SOURCES = ('det_config', 'detections', 'whole_image')


@dataclass(frozen=True)
class BoxSource:
    """Source of a top-down model's boxes: a detector, a file or the whole image.

    Args:
        det_config (str | os.PathLike | Config, optional): The config of an mmdet detector.
        det_checkpoint (str | os.PathLike, optional): The detector's checkpoint.
        det_category (str): The detector's class to use. Defaults to ``'person'``.
        detections (str | os.PathLike, optional): A COCO-format detection file.
        whole_image (bool): Whether the whole image is the box of one person. Defaults to False.
        box_thr (float, optional): Boxes need a score above it. Defaults to 0.3 with a detector and
            to no threshold with a file.
        box_nms (float, optional): IoU for non-maximum suppression of boxes. Defaults to 0.3 with a
            detector and to no suppression with a file.

    Raises:
        ArgumentError: If several sources are given, or only one of the detector's two files, or a
            number is out of range.
    """

    det_config: str | os.PathLike | Config | None = None
    det_checkpoint: str | os.PathLike | None = None
    det_category: str = PERSON
    detections: str | os.PathLike | None = None
    whole_image: bool = False
    box_thr: float | None = None
    box_nms: float | None = None

    def __post_init__(self) -> None:
        if (self.det_config is None) != (self.det_checkpoint is None):
            raise ArgumentError('a detector needs both {} and {}', 'det_config', 'det_checkpoint')
        given = (self.det_config is not None, self.detections is not None, self.whole_image)
        if sum(given) > 1:
            raise ArgumentError('give one of {}, {} and {}, not several', *BOX_SOURCES)
        require_number(box_thr=self.box_thr)
        require_range(0, 1, box_nms=self.box_nms)


@dataclass(frozen=True)
class Drawing:
    """Settings for drawing people.

    Args:
        draw (bool): Whether to draw pictures and videos into ``out_dir``. Defaults to True.
        draw_thr (float): People need a score above it to be drawn; the results hold all people.
            Defaults to 0.2.
        keypoint_thr (float): Keypoints need a score above it to be drawn. Defaults to 0.3.
        draw_boxes (bool): Whether to draw the boxes too. Defaults to False.
        show_window (bool): Whether to show each picture in a window; Escape or q stops. Defaults
            to False.

    Raises:
        ArgumentError: If a threshold is not a number.
    """

    draw: bool = True
    draw_thr: float = 0.2
    keypoint_thr: float = 0.3
    draw_boxes: bool = False
    show_window: bool = False

    def __post_init__(self) -> None:
        require_number(draw_thr=self.draw_thr, keypoint_thr=self.keypoint_thr)


#: A detector's ``box_thr`` and ``box_nms`` by default.
DETECTOR_BOX_THR, DETECTOR_BOX_NMS = 0.3, 0.3
#: A detection file's ``box_thr`` by default: all boxes, as in testing.
FILE_BOX_THR = -1.0
#: No boxes, and default drawing.
NO_BOXES, DRAWING = BoxSource(), Drawing()
