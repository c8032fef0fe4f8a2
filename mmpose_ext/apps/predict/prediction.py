# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Predict people in images, folders, videos and webcams with any mmpose config."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmpose_ext.apps.shared.batches import BATCH_SIZE, chunks, progress_bar, write_results
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.image_ids import ImageIds
from mmpose_ext.apps.shared.inputs import (
    Failure,
    Frame,
    count_frames,
    expand_inputs,
    read_frames,
)
from mmpose_ext.utils.atomic_files import require_writable
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_least
from mmpose_ext.utils.sequences import zip_equal

from .drawing import PictureWriter, draw_people, show
from .instance_scoring import InstanceScoring, Person
from .person_boxes import DetectorBoxes, FileBoxes, WholeImageBoxes
from .pose_inferencer import PoseInferencer
from .settings import (
    BOX_SOURCES,
    DETECTOR_BOX_NMS,
    DETECTOR_BOX_THR,
    DRAWING,
    FILE_BOX_THR,
    NO_BOXES,
    BoxSource,
    Drawing,
)

RESULTS_NAME = 'results.json'
PICTURES_NAME = 'pictures'


@dataclass
class Predictions:
    """The result of :func:`predict`.

    Attributes:
        results (list[dict]): COCO-format results: ``image_id``, ``category_id`` (the
            annotation file's, 1 without one), ``keypoints``
            (x, y and score of each of K keypoints, flat), ``score`` and, if the model gives one,
            ``bbox`` (x, y, w, h).
        failures (list[Failure]): The inputs that could not be used.
        num_frames (int): Images and video frames predicted.
        interrupted (bool): Whether Ctrl-C, Escape or q ended the prediction early.
    """

    results: list[dict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    num_frames: int = 0
    interrupted: bool = False


def predict(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    inputs: str | os.PathLike | Sequence,
    *,
    out_dir: str | os.PathLike | None = None,
    boxes: BoxSource = NO_BOXES,
    drawing: Drawing = DRAWING,
    ann_file: str | os.PathLike | None = None,
    batch_size: int = BATCH_SIZE,
    device: str | None = None,
    max_frames: int | None = None,
    progress: bool = False,
    options: dict | None = None,
) -> Predictions:
    """Predict people; a top-down config needs one of the three sources of boxes.

    Args:
        config (str | os.PathLike | Config): A top-down or bottom-up mmpose config.
        checkpoint (str | os.PathLike): Its checkpoint; only its weights are loaded.
        inputs (str | os.PathLike | Sequence): Image files, folders, video files, webcam indices;
            see :func:`mmpose_ext.apps.shared.inputs.expand_inputs`.
        out_dir (str | os.PathLike, optional): Folder for ``results.json`` and ``pictures/``. None
            writes nothing.
        boxes (BoxSource): Source of the boxes, for a top-down config. Defaults to no boxes.
        drawing (Drawing): What to draw, and whether to show it. Defaults to the settings of
            :class:`Drawing`.
        ann_file (str | os.PathLike, optional): A COCO-format file whose ``images`` map file names
            to ids. Without it, the names are the ids.
        batch_size (int): Number of images, and of people for a top-down model, per batch. Defaults
            to 8.
        device (str, optional): Device of the model. Defaults to a GPU if there is one.
        max_frames (int, optional): Largest number of frames of each video or webcam.
        progress (bool): Whether to show a progress bar on the standard error stream. Defaults to
            False.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Returns:
        Predictions: The results; ``failures`` lists the inputs that failed.

    Raises:
        ValueError: If a number is out of range, the boxes' source does not fit the config, or a
            file's content is wrong.
        FileNotFoundError: If the config or a checkpoint is missing.
        CheckpointError: If a checkpoint belongs to another model or holds more than weights.
        OSError: If ``out_dir`` cannot be written, which is checked first.
    """
    require_least(1, batch_size=batch_size)
    require_least(0, max_frames=max_frames)
    check_device(device)
    if out_dir is not None:
        require_writable(Path(out_dir) / RESULTS_NAME)
    image_ids = ImageIds(ann_file)
    sources, failures = expand_inputs(inputs)
    sources, unknown = image_ids.split(sources)
    writer = None
    if out_dir is not None and drawing.draw:
        writer = PictureWriter(Path(out_dir) / PICTURES_NAME, sources)
    boxes_of = _boxes_of(boxes, image_ids, device)
    inferencer = PoseInferencer(config, checkpoint, device, options)
    _check_mode(inferencer, boxes_of is not None)
    found = Predictions(failures=failures + unknown)
    scoring = InstanceScoring.from_config(inferencer.cfg, inferencer.model.dataset_meta)

    def people_of(batch: list[Frame]) -> list[list[Person]]:
        boxes_in = None if boxes_of is None else boxes_of(batch)
        predicted = inferencer.predict([frame.pixels for frame in batch], boxes_in, batch_size)
        return [scoring(samples) for samples in predicted]

    def finish(frame: Frame, people: list[Person]) -> bool:
        bar.advance(task)
        found.num_frames += 1
        found.results += [
            coco_result(image_ids.of(frame), person, image_ids.category_id) for person in people
        ]
        if writer is None and not drawing.show_window:
            return True
        drawn = [person for person in people if person.score > drawing.draw_thr]
        visualizer = inferencer.visualizer
        picture = draw_people(
            visualizer, frame.pixels, drawn, drawing.keypoint_thr, drawing.draw_boxes
        )
        if writer is not None:
            try:
                writer.write(frame, picture)
            except OSError as error:
                found.failures.append(Failure(str(writer.paths[frame.source]), str(error)))
        return not drawing.show_window or show(picture, 0 if frame.index is None else 1)

    # a webcam's frames are shown immediately
    live = any(source.kind == 'webcam' for source in sources)
    total = count_frames(sources, max_frames) if progress else None
    frames = read_frames(sources, found.failures, max_frames)
    written = nullcontext() if writer is None else closing(writer)
    with written, closing(frames), progress_bar(progress) as bar:
        task = bar.add_task('predict', total=total)
        batches = chunks(frames, 1 if live else batch_size)
        found.interrupted = not _run(batches, people_of, finish)
    if out_dir is not None:
        write_results(Path(out_dir) / RESULTS_NAME, found.results)
    return found


def _run(
    batches: Iterable[list[Frame]],
    people_of: Callable[[list[Frame]], list[list[Person]]],
    finish: Callable[[Frame, list[Person]], bool],
) -> bool:
    """Predict batch by batch; return False after Ctrl-C or if ``finish`` returned False."""
    try:
        return all(
            finish(frame, people)
            for batch in batches
            for frame, people in zip_equal(batch, people_of(batch))
        )
    except KeyboardInterrupt:
        return False


def coco_result(image_id: int | str | None, person: Person, category_id: int = 1) -> dict:
    """Return one entry of a COCO-format keypoint results file."""
    result = dict(
        image_id=image_id,
        category_id=category_id,
        keypoints=[round(float(value), 4) for value in person.keypoints.flat],
        score=float(person.score),
    )
    if person.box is not None:
        x1, y1, x2, y2 = (float(value) for value in person.box[:4])
        result['bbox'] = [x1, y1, x2 - x1, y2 - y1]
    return result


def _boxes_of(source: BoxSource, image_ids: ImageIds, device: str | None) -> Callable | None:
    """Return the function that finds each frame's boxes, or None without a source of boxes."""
    if source.detections is not None:
        thr = FILE_BOX_THR if source.box_thr is None else source.box_thr
        return FileBoxes(source.detections, image_ids, thr, source.box_nms)
    if source.det_config is not None and source.det_checkpoint is not None:
        from mmpose_ext.apps.detect.person_detector import PersonDetector  # imports mmdet

        try:
            detector = PersonDetector(
                source.det_config, source.det_checkpoint, source.det_category, device
            )
        except ArgumentError as error:
            raise error.renamed(category='det_category') from None
        thr = DETECTOR_BOX_THR if source.box_thr is None else source.box_thr
        nms = DETECTOR_BOX_NMS if source.box_nms is None else source.box_nms
        return DetectorBoxes(detector, thr, nms)
    return WholeImageBoxes() if source.whole_image else None


def _check_mode(inferencer: PoseInferencer, has_boxes: bool) -> None:
    if inferencer.data_mode == 'topdown' and not has_boxes:
        raise ArgumentError(
            'the config is top-down, it needs boxes: give {} and {} (an mmdet detector), {} (a '
            'COCO-format file) or {}',
            'det_config',
            'det_checkpoint',
            'detections',
            'whole_image',
        )
    if inferencer.data_mode != 'topdown' and has_boxes:
        raise ArgumentError(
            'the config is bottom-up, it takes whole images: leave out {}, {} and {}', *BOX_SOURCES
        )
