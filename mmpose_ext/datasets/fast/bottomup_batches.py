# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Warp a batch of whole images into one piece of memory, or on the device."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.dataset import BaseDataset
from mmpose.datasets.transforms import GenerateTarget

from mmpose_ext.datasets.transforms.person_masks import PersonMasks

from .affines import FastBottomupRandomAffine
from .batching import check_class
from .collate import SampleBatch
from .deferred_warp import DeferredWarp, decode_all, warp_all
from .pack_inputs import FastPackPoseInputs
from .pipeline import transforms_of
from .transforms import FastLoadImage, FastRandomFlip

#: Methods that read no pixels of a warped image.
_LEAVE_WARPED = (FastRandomFlip.transform, PersonMasks.transform, GenerateTarget.transform)


class BottomupBatches:
    """Prepare a data set's samples one by one, but warp their images when the batch is complete.

    Each image is flipped and warped at once, into the memory of the batch. The samples are the same
    for the same state of the random generators, except for the rounding of flipped images.

    Args:
        dataset (BaseDataset): A data set of whole images after :func:`.speed_up_dataset`.
        on_device (bool): Whether the batch holds the decoded images, to be recolored and warped
            on the device; see :class:`.SourceImages`. Defaults to False.

    Raises:
        ValueError: If something may read pixels after the affine, or change the samples after the
            pipeline.
    """

    def __init__(self, dataset: BaseDataset, on_device: bool = False) -> None:
        self.on_device = on_device
        #: What the log says.
        self.summary = f'images warped {"on the device" if on_device else "into their batch"}'
        check_class(dataset)
        self._steps = list(transforms_of(dataset))
        kinds = [type(step) for step in self._steps]
        if not kinds or kinds[0] is not FastLoadImage or kinds[-1] is not FastPackPoseInputs:
            raise ValueError('not from FastLoadImage to FastPackPoseInputs')
        if kinds.count(FastBottomupRandomAffine) != 1:
            raise ValueError('not exactly one BottomupRandomAffine')
        at = kinds.index(FastBottomupRandomAffine)
        looking = [
            k.__name__
            for k in kinds[at + 1 : -1]
            if getattr(k, 'transform', None) not in _LEAVE_WARPED
        ]
        if looking or not self._steps[at].takes_deferred:
            raise ValueError(f'{", ".join(looking) or "the affine"} needs the pixels')
        self._pipeline, self._at = dataset.pipeline, at

    @property
    def pipeline(self) -> Any:
        """The pipeline with an affine that warps late, with the settings that it has now."""
        pipeline = copy.copy(self._pipeline)
        pipeline.transforms = list(self._steps)
        affine = pipeline.transforms[self._at] = copy.copy(self._steps[self._at])
        affine.warps_late = True
        return pipeline

    def serves(self, dataset: BaseDataset) -> bool:
        """Return whether a data set still has the transforms that this was made for."""
        return transforms_of(dataset) == self._steps

    def __call__(self, indices: list[int], dataset: BaseDataset) -> dict[str, Any] | list[dict]:
        """Prepare a batch of the samples with these numbers; see :func:`.collate_samples`.

        ``inputs`` are a tensor (B, 3, h, w) or :class:`.SourceImages`. If annotations or an inner
        data set gave decoded images, which are warped at once, return the samples as a list.
        """
        own, dataset.pipeline = dataset.pipeline, self.pipeline
        try:
            items = [dataset[index] for index in indices]
        finally:
            dataset.pipeline = own
        return self.collate(items)

    def collate(self, items: list[dict]) -> dict[str, Any] | list[dict]:
        """Make a batch of samples of :attr:`pipeline`, as :meth:`__call__` returns it."""
        late = [item for item in items if isinstance(item['inputs'], DeferredWarp)]
        if len(late) < len(items):
            for item in late:
                item['inputs'] = warp_all([item['inputs']])[0]
            return items
        make = decode_all if self.on_device else warp_all
        return dict(
            inputs=make([item['inputs'] for item in items]),
            data_samples=SampleBatch([item['data_samples'] for item in items]),
        )
