# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Contestants: a config's network, codec and pipeline, and the measures that apply to each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_ext.apps.shared.data_sets import dataset_configs, first_with_pipeline, metainfo_of
from mmpose_ext.utils.errors import ArgumentError

MEASURES = ('encode', 'forward', 'decode', 'loader', 'targets', 'step')
OF_CODEC = ('encode', 'decode', 'loader')
OF_NETWORK = ('forward', 'targets', 'step')


@dataclass(frozen=True)
class Contestant:
    """The plain settings of one side of a comparison, before anything is built.

    Attributes:
        name (str): Name in the tables.
        model (dict, optional): Config of the estimator, without pre-trained weights.
        pipeline (list[dict]): The training pipeline, with a ``GenerateTarget``.
        dataset (dict): Config of the training set, or of the first in it that has a pipeline.
        optimizer (dict): Config of the optimizer.
        decoder (dict, optional): Config of the decoding codec. Defaults to the head's, or else the
            pipeline's.
        measures (tuple[str, ...]): The elements of MEASURES that apply.
        shares (str): Name of the contestant whose network it shares, if any.
    """

    name: str
    model: dict | None
    pipeline: list[dict]
    dataset: dict
    optimizer: dict = field(default_factory=lambda: dict(type='Adam', lr=1e-3))
    decoder: dict | None = None
    measures: tuple[str, ...] = MEASURES
    shares: str = ''

    @classmethod
    def from_config(cls, cfg: Config, name: str) -> Contestant:
        """Build the contestant of an mmpose config.

        Raises:
            ValueError: If the config has no model, or no training pipeline with a codec.
        """
        for key in ('model', 'train_dataloader'):
            if not cfg.get(key):
                raise ValueError(f'config {cfg.filename} has no {key!r}: nothing to measure')
        whole = cfg.train_dataloader.dataset.to_dict()
        dataset = first_with_pipeline(whole) or whole
        pipeline = dataset.get('pipeline') or []
        if not any(_type(step) == 'GenerateTarget' for step in pipeline):
            raise ValueError(
                f'config {cfg.filename}: train_dataloader.dataset.pipeline has no GenerateTarget, '
                'so there is no codec to measure'
            )
        optimizer = cfg.get('optim_wrapper', {}).get('optimizer', dict(type='Adam', lr=1e-3))
        model = without_weights(cfg.model.to_dict())
        return cls(name, model, pipeline, dataset, dict(optimizer))

    def change(self, **settings: Any) -> Contestant:
        """Return a copy with other settings."""
        return replace(deepcopy(self), **settings)

    def with_codec(self, name: str, codec: dict, **settings: Any) -> Contestant:
        """Return a copy that encodes and decodes with another codec."""
        pipeline = replace_step(self.pipeline, 'GenerateTarget', encoder=codec)
        return self.change(name=name, pipeline=pipeline, decoder=codec, **settings)

    @property
    def encoder(self) -> dict:
        """Config of the codec of the pipeline's last GenerateTarget."""
        step = next(s for s in reversed(self.pipeline) if _type(s) == 'GenerateTarget')
        encoder = step['encoder']
        return encoder[-1] if isinstance(encoder, (list, tuple)) else encoder

    @property
    def decoder_cfg(self) -> dict:
        """Config of the decoding codec."""
        head = (self.model or {}).get('head') or {}
        return dict(self.decoder or head.get('decoder') or self.encoder)

    @property
    def input_size(self) -> tuple[int, int]:
        """[w, h] of the network's input."""
        w, h = self.encoder['input_size']
        return int(w), int(h)

    @property
    def is_bottomup(self) -> bool:
        """Whether a sample is a whole image with all its people."""
        return any(part.get('data_mode') == 'bottomup' for part in dataset_configs(self.dataset))

    @property
    def metainfo(self) -> dict:
        """The training set's metainfo as parsed by mmpose."""
        return parse_pose_metainfo(metainfo_of(self.dataset))


def unfit_config(
    part: str, codecs: Iterable[str], keypoints: int, given: str, given_keypoints: int
) -> ArgumentError:
    """Return the error about a config that a part cannot measure.

    Args:
        part (str): The part.
        codecs (Iterable[str]): The codecs that it measures.
        keypoints (int): Their number of keypoints.
        given (str): The config's codec.
        given_keypoints (int): Its number of keypoints.
    """
    return ArgumentError(
        '{} {part} needs a config of {codecs} with {keypoints} keypoints, not {given} with '
        '{given_keypoints}',
        'part',
        part=part,
        codecs=' or '.join(codecs),
        keypoints=keypoints,
        given=given,
        given_keypoints=given_keypoints,
    )


def replace_step(pipeline: Sequence[dict], name: str, **settings: Any) -> list[dict]:
    """Return a copy of a pipeline in which all steps of one type have other settings."""
    return [
        dict(deepcopy(step), **settings) if _type(step) == name else deepcopy(step)
        for step in pipeline
    ]


def without_weights(model: Any) -> Any:
    """Return a model's config in which no part loads or downloads weights."""
    if isinstance(model, dict):
        return {
            key: None if key == 'init_cfg' and _is_pretrained(value) else without_weights(value)
            for key, value in model.items()
        }
    if isinstance(model, (list, tuple)):
        return type(model)(without_weights(value) for value in model)
    return model


def _is_pretrained(init_cfg: Any) -> bool:
    many = init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]
    return any(isinstance(one, dict) and one.get('type') == 'Pretrained' for one in many)


def _type(step: dict) -> str:
    return str(step.get('type')).split('.')[-1]
