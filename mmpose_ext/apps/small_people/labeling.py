# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Label people without keypoints with a single-person model (StrongPose, Section III-E)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmpose.registry import MODELS
from torch import nn

from mmpose_ext.apps.shared.configs import read_config
from mmpose_ext.apps.shared.data_sets import first_with_pipeline, metainfo_of
from mmpose_ext.datasets.coco_checks import annotation_problems
from mmpose_ext.datasets.validation import missing_files, some
from mmpose_ext.engine.checkpoint_loading import safely_loading
from mmpose_ext.engine.checkpoint_match_hook import match_checkpoint
from mmpose_ext.engine.errors import CheckpointMismatchError
from mmpose_ext.utils.atomic_files import require_writable, write_atomically
from mmpose_ext.utils.errors import DataError
from mmpose_ext.utils.metainfo import load_metainfo
from mmpose_ext.utils.reading import read_json
from mmpose_ext.utils.sequences import zip_equal

#: Key that marks annotations made by a model; its value is the config's name.
MARK = 'keypoints_by'


def label_small_people(
    config: str,
    checkpoint: str,
    ann_file: str,
    image_dir: str,
    out_file: str,
    device: str = 'cpu',
    batch_size: int = 32,
    keypoint_thr: float = 0.2,
    least_keypoints: int = 1,
    max_area: float | None = None,
) -> tuple[int, int]:
    """Write a COCO keypoint file in which people without keypoints get a model's predictions.

    "We crop around the ground truth box annotations of these small-person instances to define the
    missing keypoint annotations, and then execute the single-person pose estimator."

    The function selects people with a box and without a labeled keypoint that are not crowds.
    Their keypoints get visibility 2 if the score reaches ``keypoint_thr``, and are 0, 0, 0
    otherwise; ``num_keypoints`` is set, and ``keypoints_by`` marks these people. Nothing else
    changes. The file is written completely or not at all.

    Args:
        config (str): Top-down config.
        checkpoint (str): Its weights.
        ann_file (str): COCO keypoint file.
        image_dir (str): Folder of its images.
        out_file (str): File to write, other than ``ann_file``.
        device (str): Torch device. Defaults to 'cpu'.
        batch_size (int): Number of people per batch. Defaults to 32.
        keypoint_thr (float): Smallest score of a keypoint. Defaults to 0.2.
        least_keypoints (int): People with fewer keypoints found stay unchanged. Defaults to 1.
        max_area (float, optional): Largest ``area`` of a person (the box's area if it is missing).
            Defaults to no limit.

    Returns:
        tuple[int, int]: The number of people with new keypoints, and of selected people.

    Raises:
        DataError: If the file is not a COCO keypoint file, or has other keypoints than the model.
        CheckpointMismatchError: If the checkpoint belongs to another model.
        ValueError: If the config is not top-down, or ``out_file`` is ``ann_file``.
        OSError: If an image is missing or the file cannot be written.
    """
    if Path(out_file).resolve() == Path(ann_file).resolve():
        raise ValueError(
            f'out_file {out_file} is ann_file: give another name, to keep the original'
        )
    require_writable(out_file)
    content = _read_coco(ann_file)
    cfg = read_config(config)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    metainfo = load_metainfo(metainfo_of(cfg.test_dataloader.dataset))
    problems = annotation_problems(content, metainfo['num_keypoints'], needs_people=False)
    if problems:
        raise DataError(
            f'ann_file {ann_file} cannot be used by config {config}: {"; ".join(problems)}'
        )
    people = [person for person in content['annotations'] if _is_taken(person, max_area)]
    files = {image['id']: Path(image_dir) / image['file_name'] for image in content['images']}
    _require_images([files[person['image_id']] for person in people], ann_file, image_dir)
    model = _load_model(cfg, checkpoint, device)
    number = 0
    samples = _samples(cfg, people, files, metainfo)
    for first in range(0, len(people), batch_size):
        part = people[first : first + batch_size]
        batch = pseudo_collate([next(samples) for _ in part])
        with torch.inference_mode():
            results = model.test_step(batch)
        for person, result in zip_equal(part, results):
            found = result.pred_instances
            labels = _labels(found.keypoints[0], found.keypoint_scores[0], keypoint_thr)
            count = int((labels[:, 2] > 0).sum())
            if count >= max(1, least_keypoints):
                person.update(
                    {'keypoints': labels.ravel().tolist(), 'num_keypoints': count},
                    **{MARK: Path(config).stem},
                )
                number += 1
    write_atomically(out_file, json.dumps(content).encode())
    return number, len(people)


def _read_coco(ann_file: str) -> dict:
    content = read_json(ann_file, 'annotation file')
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ('images', 'annotations')
    ):
        raise DataError(
            f'ann_file {ann_file} is not a COCO file: it has no lists of images and annotations; '
            'give a file with both'
        )
    return content


def _require_images(paths: Sequence[Path], ann_file: str, image_dir: str) -> None:
    missing = missing_files(map(str, paths))
    if missing:
        raise DataError(
            f'{len(missing)} image file(s) named by ann_file {ann_file} are missing: '
            f'{some(missing)}. Check image_dir {image_dir}'
        )


def _is_taken(person: dict, max_area: float | None) -> bool:
    """Return whether a person has a box but no keypoints, is not a crowd and not too large."""
    keypoints = person.get('keypoints')
    if person.get('iscrowd', 0) or not keypoints or len(person.get('bbox', ())) != 4:
        return False
    if any(visible > 0 for visible in keypoints[2::3]):
        return False
    width, height = person['bbox'][2:]
    area = person.get('area', width * height)
    return width > 0 and height > 0 and (max_area is None or area <= max_area)


def _load_model(cfg: Config, checkpoint: str, device: str) -> nn.Module:
    if cfg.model.type != 'TopdownPoseEstimator':
        raise ValueError(f'config {cfg.filename} has a {cfg.model.type}: give a top-down config')
    cfg.model.backbone.pop('init_cfg', None)
    model = MODELS.build(cfg.model)
    with safely_loading():
        weights = CheckpointLoader.load_checkpoint(checkpoint, 'cpu')
    match = match_checkpoint(model, weights)
    if not match.is_full():
        raise CheckpointMismatchError(
            f'checkpoint {checkpoint} does not belong to config {cfg.filename}: {match}. Use the '
            'config that it was trained with'
        )
    return model.to(device).eval()


def _samples(cfg: Config, people: list[dict], files: dict, metainfo: dict) -> Iterator[dict]:
    """Crop the people one by one; an image is read once if its people are adjacent in the file."""
    tested = first_with_pipeline(cfg.test_dataloader.dataset)
    if tested is None:
        raise ValueError(f'config {cfg.filename} has no test_dataloader.dataset.pipeline')
    pipeline = Compose(tested.pipeline)
    read, image = None, None
    for person in people:
        file = files[person['image_id']]
        if file != read:
            image, read = mmcv.imread(str(file)), file
            if image is None:
                raise DataError(f'{file} is cut short, damaged or not an image: replace it')
        x, y, w, h = person['bbox']
        box = np.array([[x, y, x + w, y + h]], np.float32)
        sample = dict(metainfo, img=image, bbox=box, bbox_score=np.ones(1, np.float32))
        yield pipeline(dict(sample, id=person['id'], img_id=person['image_id']))


def _labels(keypoints: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return COCO's (K, 3): x and y rounded to 0.01 pixels, and visibility."""
    seen = scores >= threshold
    labels = np.concatenate([keypoints, 2 * seen[:, None]], 1).astype(np.float64).round(2)
    labels[~seen] = 0
    return labels
