# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Replace the transforms of a data set's pipeline by faster ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Iterator

from mmpose.datasets.transforms import (
    BottomupRandomAffine,
    GenerateTarget,
    GetBBoxCenterScale,
    LoadImage,
    PackPoseInputs,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
    TopdownAffine,
)

from mmpose_ext.datasets.transforms.color_jitter import ColorJitter
from mmpose_ext.datasets.transforms.turbojpeg_image import LoadTurboJpegImage

from .affines import FastBottomupRandomAffine, FastTopdownAffine
from .heatmaps import FASTER_CODECS
from .pack_inputs import FastPackPoseInputs
from .transforms import (
    FastLoadImage,
    FastRandomBBoxTransform,
    FastRandomFlip,
    FastRandomHalfBody,
)

#: mmpose's transforms and their replacements, which have no settings of their own.
FASTER = {
    RandomFlip: FastRandomFlip,
    RandomHalfBody: FastRandomHalfBody,
    RandomBBoxTransform: FastRandomBBoxTransform,
    TopdownAffine: FastTopdownAffine,
    BottomupRandomAffine: FastBottomupRandomAffine,
    PackPoseInputs: FastPackPoseInputs,
}
#: Transforms that load images as mmpose does. ``fast_training`` may have put in the second one.
LOADERS = (LoadImage, LoadTurboJpegImage)
#: Methods that do not touch ``img``, so that an image may stay undecoded through them.
LEAVE_PIXELS = (
    GetBBoxCenterScale.transform,
    RandomHalfBody.transform,
    FastRandomHalfBody.transform,
    FastRandomFlip.transform,
    RandomBBoxTransform.transform,
)
#: Meta information that ``get_data_info`` copies for each sample.
_COPIED = ('upper_body_ids', 'lower_body_ids', 'flip_pairs', 'flip_indices', 'skeleton_links')


class SharedList(list):
    """A list whose elements nobody changes: its deep copy is a plain list of the same elements.

    mmpose's ``KeypointConverter`` writes to the ``flip_indices`` of a sample. It unpickles as a
    plain list.
    """

    def __deepcopy__(self, memo: dict) -> list:
        return list(self)

    def __reduce__(self) -> tuple:
        return list, (list(self),)


def plain_metainfo(metainfo: dict) -> dict:
    """Copy meta information with plain lists, which a checkpoint may hold, for shared lists."""
    return {
        name: list(value) if isinstance(value, SharedList) else value
        for name, value in metainfo.items()
    }


def parts_of(dataset: Any) -> list[Any]:
    """Return the data sets that a wrapper of mmengine, mmpose or torch holds; none for others."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [part for part in inner if part is not None]


def datasets_in(dataset: Any) -> Iterator[Any]:
    """Yield a data set and the data sets that it consists of, at any depth."""
    yield dataset
    for part in parts_of(dataset):
        yield from datasets_in(part)


def transforms_of(dataset: Any) -> list[Any]:
    """Return the transforms of a data set's own pipeline, to be changed in place; [] without."""
    return getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []


def speed_up_dataset(dataset: Any) -> list[str]:
    """Replace transforms of a data set, and of those that it is made of, by faster ones.

    Only transforms that are exactly mmpose's are replaced, and the new ones keep their settings.
    For the same state of the random generators, the samples are the same, except for the pixels of
    people larger than the input (see :class:`.EncodedImage`), the pixels of flipped images (the
    warp's rounding), the rounding of heatmaps (up to 1e-6) and the strides of ``inputs``.

    Args:
        dataset (Dataset): A data set of mmpose, or a wrapper around one.

    Returns:
        list[str]: The names of the transforms that were replaced, each once.
    """
    replaced = []
    for part in datasets_in(dataset):
        _share_metainfo(part)
        steps = transforms_of(part)
        for i, step in enumerate(steps):
            if type(step) in FASTER:
                replaced.append(type(step).__name__)
                steps[i] = as_type(step, FASTER[type(step)])
            elif isinstance(step, GenerateTarget) and type(step.encoder) in FASTER_CODECS:
                replaced.append(type(step.encoder).__name__)
                steps[i] = copy.copy(step)
                steps[i].encoder = as_type(step.encoder, FASTER_CODECS[type(step.encoder)])
        loader = first_loader(steps)
        if loader is not None and type(steps[loader]) in LOADERS and decodes_late(steps, loader):
            replaced.append('LoadImage')
            steps[loader] = as_type(steps[loader], FastLoadImage)
    return list(dict.fromkeys(replaced))


def first_loader(steps: list[Any]) -> Any:
    """Return the number of the first step that loads images as mmpose does; None without one."""
    kinds = (*LOADERS, FastLoadImage)
    return next((i for i, step in enumerate(steps) if type(step) in kinds), None)


def decodes_late(steps: list[Any], loader: int) -> bool:
    """Return whether the loader reads a plain image and no step needs it before the affine."""
    step = steps[loader]
    if step.to_float32 or step.color_type != 'color' or step.imdecode_backend != 'cv2':
        return False
    return not steps_that_look(steps, loader, (*LEAVE_PIXELS, ColorJitter.transform))


def steps_that_look(
    steps: list[Any], loader: int, harmless: Sequence[Callable] = LEAVE_PIXELS
) -> list[str]:
    """Return the names of the transforms between loading and the affine that may read pixels.

    Without such an affine, all transforms after loading count.
    """
    looking: list[str] = []
    for step in steps[loader + 1 :]:
        if isinstance(step, FastTopdownAffine) or getattr(step, 'takes_deferred', False):
            return looking
        if getattr(type(step), 'transform', None) not in harmless:
            looking.append(type(step).__name__)
    return looking or ['no affine']


def as_type(step: Any, kind: type) -> Any:
    """Return a copy of a transform as a subclass that has no settings of its own."""
    step = copy.copy(step)
    step.__class__ = kind
    return step


def _share_metainfo(dataset: Any) -> None:
    """Share the pairs of skeleton and flip among the samples instead of copying them for each."""
    metainfo = getattr(dataset, '_metainfo', None)
    if isinstance(metainfo, dict):
        for name in _COPIED:
            if type(metainfo.get(name)) is list:
                metainfo[name] = SharedList(metainfo[name])
