# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the person-detection files for top-down testing with any mmdet detector."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmpose_ext.apps.shared.batches import BATCH_SIZE, chunks, progress_bar, write_results
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.image_ids import read_annotations
from mmpose_ext.apps.shared.inferencers import PERSON
from mmpose_ext.apps.shared.inputs import Failure, Source, read_frames
from mmpose_ext.datasets.validation import person_category
from mmpose_ext.utils.atomic_files import require_writable
from mmpose_ext.utils.ranges import require_least, require_number
from mmpose_ext.utils.sequences import zip_equal


@dataclass
class Detections:
    """The result of :func:`detect`.

    Attributes:
        results (list[dict]): ``bbox`` (x, y, w, h in pixels), ``category_id`` (the
            annotation file's), ``image_id`` and ``score``; image by image, best first.
        failures (list[Failure]): The images that could not be read.
    """

    results: list[dict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def detect(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    ann_file: str | os.PathLike,
    image_dir: str | os.PathLike,
    out_file: str | os.PathLike | None = None,
    *,
    category: str = PERSON,
    score_thr: float = 0.0,
    max_per_image: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str | None = None,
    progress: bool = False,
    options: dict | None = None,
) -> Detections:
    """Detect people in all images of a COCO-format set.

    Args:
        config (str | os.PathLike | Config): An mmdet config.
        checkpoint (str | os.PathLike): Its checkpoint; only its weights are loaded.
        ann_file (str | os.PathLike): A COCO-format file with the images and the category of people.
        image_dir (str | os.PathLike): The folder that its file names start from.
        out_file (str | os.PathLike, optional): The detection file, written completely or not at
            all. None writes no file.
        category (str): The detector's class to keep, written as the annotation file's category of
            people. Defaults to ``'person'``.
        score_thr (float): Boxes need a score above it; the detector's own ``test_cfg`` applies
            first. Defaults to 0.0.
        max_per_image (int, optional): Number of boxes to keep per image, best first. Defaults to
            all.
        batch_size (int): Images at once. Defaults to 8.
        device (str, optional): Device of the model. Defaults to a GPU if there is one.
        progress (bool): Whether to show a progress bar on the standard error stream. Defaults to
            False.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Raises:
        ValueError: If a number is out of range, a file's content is wrong or the detector has no
            such category.
        FileNotFoundError: If the config or the checkpoint is missing.
        CheckpointError: If the checkpoint belongs to another model or holds more than weights.
        OSError: If ``out_file`` cannot be written, which is checked first.
    """
    require_number(score_thr=score_thr)
    require_least(1, max_per_image=max_per_image, batch_size=batch_size)
    check_device(device)
    require_writable(out_file)
    from .person_detector import PersonDetector  # imports mmdet

    content = read_annotations(ann_file)
    category_id = person_category(content, f'annotation file {ann_file}')
    ids = {}
    for image in content['images']:
        path = str(Path(image_dir) / image['file_name'])
        ids[Source('image', path, path)] = image['id']
    detector = PersonDetector(config, checkpoint, category, device, options)
    found = Detections()
    with progress_bar(progress) as bar:
        task = bar.add_task('detect', total=len(ids))
        for batch in chunks(read_frames(ids, found.failures), batch_size):
            boxes = detector.boxes([frame.pixels for frame in batch])
            for frame, found_boxes in zip_equal(batch, boxes):
                kept = found_boxes[found_boxes[:, 4] > score_thr][:max_per_image]
                found.results += detection_results(ids[frame.source], kept, category_id)
            bar.advance(task, len(batch))
    if out_file is not None:
        write_results(out_file, found.results)
    return found


def detection_results(image_id: int, boxes: np.ndarray, category_id: int = 1) -> list[dict]:
    """Return COCO-format detection entries for boxes (N, 5): x1, y1, x2, y2 and the score."""
    boxes = np.asarray(boxes, float)
    boxes[:, 2:4] -= boxes[:, :2]
    return [
        dict(bbox=box[:4].tolist(), category_id=category_id, image_id=image_id, score=float(box[4]))
        for box in boxes
        if box[2:4].min() > 0
    ]
