# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw training samples with the codec's targets and, with a checkpoint, predicted maps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from mmpose_ext.apps.predict.pose_inferencer import PoseInferencer
from mmpose_ext.apps.shared.configs import build_codec
from mmpose_ext.apps.shared.data_sets import (
    build_data_set,
    dataset_configs,
    first_with_pipeline,
)
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.model_checks import default_scope, load_config
from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.utils.atomic_files import require_writable
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import MOST_SEED, require_least, require_one_of, require_range
from mmpose_ext.utils.sequences import zip_equal
from mmpose_ext.visualization.attention import Attention, paint_attention, record_attention
from mmpose_ext.visualization.canvas import Canvas
from mmpose_ext.visualization.contact_sheet import Tile, join_rows, write_png
from mmpose_ext.visualization.painters import Scene, paint
from mmpose_ext.visualization.skeleton import Skeleton

SPLITS = ('train', 'val')
COLUMNS = 4  # tiles per row of attention maps
SHORT_SIDE = 224  # least side of a tile in picture pixels


def browse(
    config: str | os.PathLike | Config,
    out_dir: str | os.PathLike,
    *,
    number: int = 8,
    start: int = 0,
    split: str = 'train',
    checkpoint: str | os.PathLike | None = None,
    device: str | None = None,
    seed: int = 0,
    zoom: int | None = None,
    options: dict | None = None,
) -> list[Path]:
    """Draw samples as the network gets them in training, one PNG file per sample.

    A picture's first row shows the input with its labeled keypoints, and the targets. With a
    checkpoint, a second row shows the prediction for that input (without flip test), and a third
    row the attention of the layers that have one.

    Args:
        config (str | os.PathLike | Config): Any config with a ``GenerateTarget`` in its training
            pipeline.
        out_dir (str | os.PathLike): Folder for the pictures.
        number (int): Number of samples. Defaults to 8.
        start (int): Index of the first sample. Defaults to 0.
        split (str): ``'train'``, or ``'val'`` for the validation set's images and annotations in
            the training pipeline. Defaults to ``'train'``.
        checkpoint (str | os.PathLike, optional): If given, its predicted maps are drawn too; only
            its weights are loaded.
        device (str, optional): Device of the model. Defaults to a GPU if there is one.
        seed (int): Seed of the augmentation. The same seed gives the same pictures. Defaults to 0.
        zoom (int, optional): Picture pixels per input pixel. By default small inputs are enlarged.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Returns:
        list[Path]: The files written.

    Raises:
        ValueError: If a number is out of range, or the config has no such data set or no codec.
        FileNotFoundError: If the config, its data or the checkpoint is missing.
        CheckpointError: If the checkpoint belongs to another model or holds more than weights.
        OSError: If ``out_dir`` cannot be written, which is checked first.
    """
    require_least(1, number=number, zoom=zoom)
    require_least(0, start=start)
    require_range(0, MOST_SEED, seed=seed)
    require_one_of(SPLITS, split=split)
    check_device(device)
    require_writable(Path(out_dir) / 'picture.png')
    cfg = load_config(config, options)
    with default_scope('mmpose'):
        dataset_cfg = browsed_dataset(cfg, split)
        codec = codec_of(dataset_cfg.pipeline)
    dataset = build_data_set(dataset_cfg)
    if start >= len(dataset):
        raise ArgumentError(
            '{} is {start}, but the {split} set has {samples} samples',
            'start',
            start=start,
            split=split,
            samples=len(dataset),
        )
    model = None
    if checkpoint is not None:
        model = PoseInferencer(cfg, checkpoint, device).model
    skeleton = Skeleton.from_metainfo(dataset.metainfo)
    paths = []
    for index in range(start, min(start + number, len(dataset))):
        np.random.seed((seed + index) % (MOST_SEED + 1))
        torch.manual_seed(seed + index)
        item = dataset[index]
        picture = draw_sample(item, codec, skeleton, model, zoom)
        image_id = np.ravel(item['data_samples'].metainfo.get('img_id', index))[0]
        paths.append(Path(out_dir) / f'{index:06d}_image{image_id}.png')
        write_png(paths[-1], picture)
    return paths


def browsed_dataset(cfg: Config, split: str) -> Config:
    """Return the config of a split's data set, with annotated people and the training pipeline.

    Raises:
        ValueError: If there is no such split or no training pipeline.
    """
    require_one_of(SPLITS, split=split)
    for name in ('train', split):
        if not cfg.get(f'{name}_dataloader'):
            raise ValueError(f'config {cfg.filename} has no {name}_dataloader')
    trained = first_with_pipeline(cfg.train_dataloader.dataset)
    if trained is None:
        raise ValueError(f'config {cfg.filename} has no train_dataloader.dataset.pipeline')
    chosen = cfg[f'{split}_dataloader'].dataset
    dataset = deepcopy(first_with_pipeline(chosen) or chosen)
    dataset.pipeline = [dict(step) for step in trained.pipeline]
    for step in dataset.pipeline:
        if step['type'] == 'PackPoseInputs':
            step['pack_transformed'] = True
    for part in dataset_configs(dataset):
        part.pop('test_mode', None)
        part.pop('bbox_file', None)
    return dataset


def codec_of(pipeline: Sequence[dict]) -> object:
    """Return the codec of a pipeline's (last) ``GenerateTarget``.

    Raises:
        ValueError: If there is none.
    """
    encoders = [step.get('encoder') for step in pipeline if step['type'] == 'GenerateTarget']
    if not encoders or not encoders[-1]:
        raise ValueError('the training pipeline has no GenerateTarget with an encoder')
    encoder = encoders[-1]
    return build_codec(encoder[-1] if isinstance(encoder, (list, tuple)) else encoder)


def draw_sample(
    item: dict, codec: object, skeleton: Skeleton, model: nn.Module | None, zoom: int | None
) -> np.ndarray:
    """Draw one item of a data set as (H, W, 3) uint8, BGR.

    Args:
        item (dict): ``inputs`` (3, H, W) uint8, BGR, and ``data_samples``.
        codec (BaseKeypointCodec): The encoder of its pipeline.
        skeleton (Skeleton): The data set's.
        model (nn.Module, optional): A model whose predictions are drawn.
        zoom (int, optional): Picture pixels per input pixel.
    """
    image = item['inputs'].numpy().transpose(1, 2, 0)
    sample = item['data_samples']
    zoom = zoom or max(1, -(-SHORT_SIDE // min(image.shape[:2])))
    keypoints, seen = labeled_keypoints(sample)
    canvas = Canvas(image, zoom)
    for person, shown in zip_equal(keypoints, seen):
        skeleton.draw(canvas, person, shown)
    scene = Scene(image, codec, {}, {}, skeleton.names, zoom)
    scene.maps, scene.labels = target_maps(sample, codec)
    rows = [[Tile('input, labeled keypoints', canvas.picture), *paint(scene)]]
    if model is not None:
        maps, people, attention = predict_maps(model, item, keypoints[seen])
        canvas = Canvas(image, zoom)
        for person in people:
            skeleton.draw(canvas, person, np.isfinite(person).all(-1))
        found = Tile('prediction', canvas.picture)
        own_codec = getattr(model.head, 'decoder', None) or codec
        scene = Scene(image, own_codec, maps, {}, skeleton.names, zoom)
        rows.append([found, *(paint(scene) if maps else ())])
        tiles = paint_attention(scene, attention)
        rows += [tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)]
    return join_rows(rows)


def labeled_keypoints(sample: PoseDataSample) -> tuple[np.ndarray, np.ndarray]:
    """Return a sample's keypoints (N, K, 2) in input pixels and the labeled ones, (N, K) bool."""
    people = sample.gt_instances
    name = 'transformed_keypoints' if 'transformed_keypoints' in people else 'keypoints'
    visible = np.asarray(people.keypoints_visible)
    visible = visible[..., 0] if visible.ndim == 3 else visible
    return np.asarray(people.get(name))[..., :2], visible > 0


def target_maps(
    sample: PoseDataSample, codec: object
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return a sample's targets: maps (C, h, w), and the codec's other targets, (N, ...).

    The codecs here give the targets that their heads get; they are drawn now if the sample holds
    only points. mmpose's codecs give the fields that ``PackPoseInputs`` packed.
    """
    if isinstance(codec, BaseTorchCodec):
        with torch.no_grad():
            drawn = codec.targets([sample])
        arrays = {name: value[0].cpu().numpy() for name, value in drawn.items()}
        maps = {name: arrays.pop(name) for name in codec.map_names}
        return {name: value.astype(np.float32) for name, value in maps.items()}, arrays
    fields = sample.gt_fields if 'gt_fields' in sample else {}
    return {name: value.float().numpy() for name, value in fields.items() if value.ndim == 3}, {}


@torch.no_grad()
def predict_maps(
    model: nn.Module, item: dict, queries: np.ndarray
) -> tuple[dict[str, np.ndarray], list[np.ndarray], list[Attention]]:
    """Predict on one input, without flip test.

    Args:
        model (nn.Module): A top-down or bottom-up estimator with a head.
        item (dict): An item of a data set; see :func:`draw_sample`.
        queries (np.ndarray): (M, 2) input pixels for which the attention of non-local layers is
            read.

    Returns:
        tuple: The maps (C, h, w) that the head decodes, the people found, (K, 2) each in input
        pixels, and the layers' attention.
    """
    model.eval()
    data = model.data_preprocessor(pseudo_collate([item]), False)
    inputs, samples = data['inputs'], data['data_samples']
    size = np.array(item['inputs'].shape[:0:-1])
    test_cfg = dict(model.test_cfg or {}, flip_test=False, output_heatmaps=False)
    asked = ((np.asarray(queries) + 0.5) / size).clip(0, 1)
    with record_attention(model, asked) as attention, _recorded(model.head) as decoded:
        preds = model.head.predict(model.extract_feat(inputs), samples, Config(test_cfg))
    people = [np.asarray(person) for pred in preds for person in _numpy(pred.keypoints)]
    return _decoded_maps(decoded[-1]) if decoded else {}, people, attention


@contextmanager
def _recorded(head: nn.Module) -> Iterator[list]:
    """Record the maps that a head passes to its ``decode``."""
    decode: Callable = head.decode
    found: list = []

    def record(batch_outputs: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(batch_outputs)
        return decode(batch_outputs, *args, **kwargs)

    head.decode = record
    try:
        yield found
    finally:
        del head.decode


def _decoded_maps(outputs: Tensor | dict | Sequence) -> dict[str, np.ndarray]:
    """Return the first image's maps by name; ignore anything that is not (B, C, h, w)."""
    if isinstance(outputs, Tensor):
        outputs = dict(heatmaps=outputs)
    elif not isinstance(outputs, dict):
        outputs = dict(zip(('heatmaps', 'tags'), outputs))
    return {
        name: _numpy(value[0]).astype(np.float32)
        for name, value in outputs.items()
        if isinstance(value, Tensor) and value.ndim == 4
    }


def _numpy(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
