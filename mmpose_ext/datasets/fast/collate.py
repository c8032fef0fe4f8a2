# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pass batches from a data worker to the device in two blocks of memory."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any, Iterator

import torch
from mmengine.structures import BaseDataElement
from mmpose.structures import MultilevelPixelData
from torch import Tensor
from torch.utils.data import default_collate

from .packed_people import PackedPeople
from .scratch import new_memory

#: Alignment of each array, in bytes.
_ALIGNMENT = 64


def collate_samples(items: Sequence[dict] | dict[str, Any]) -> dict[str, Any]:
    """Collate packed samples like mmengine's ``pseudo_collate``, with two differences.

    ``inputs`` are one tensor (B, 3, h, w), if their sizes are equal, and ``data_samples`` are a
    :class:`SampleBatch`. A worker passes on each tensor of a ``pseudo_collate`` batch as a separate
    file, which makes hundreds per batch, and the training process copies each to the device.

    Args:
        items (Sequence[dict] | dict): Samples with ``inputs``, (3, h, w) uint8, and
            ``data_samples``; or a batch of :class:`.BatchedPipeline`, which is returned.
    """
    if isinstance(items, dict):
        return items
    inputs = [item['inputs'] for item in items]
    if len({image.shape for image in inputs}) == 1:
        # keep the strides of FastPackPoseInputs' images, in the workers' shared memory
        batch = default_collate([image.permute(1, 2, 0) for image in inputs]).permute(0, 3, 1, 2)
    else:
        batch = inputs
    return dict(inputs=batch, data_samples=SampleBatch([item['data_samples'] for item in items]))


class SampleBatch:
    """Data samples whose arrays share one block of memory once they have left the worker.

    It is not a sequence, because torch and mmengine would pin and copy each tensor of a sequence.

    Args:
        content (list[PoseDataSample] | PackedPeople): The samples, which the batch owns and
            changes.
    """

    def __init__(self, content: list | PackedPeople) -> None:
        self._content: list | PackedPeople | None = content
        self._samples: list | None = content if isinstance(content, list) else None
        self._pickled: bytes = b''
        self._places: list[tuple[int, int]] = []
        self._memory: Tensor | None = None

    @classmethod
    def _moved(cls, pickled: bytes, places: list[tuple[int, int]], memory: Tensor) -> SampleBatch:
        batch = cls([])
        batch._content, batch._samples = None, None
        batch._pickled, batch._places, batch._memory = pickled, places, memory
        return batch

    def __reduce__(self) -> tuple:
        if self._content is None:
            return self._moved, (self._pickled, self._places, self._memory)
        file = io.BytesIO()
        buffers: list[pickle.PickleBuffer] = []
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(self._content)
        views = [buffer.raw() for buffer in buffers]
        places, end = [], 0
        for view in views:
            places.append((end, end + view.nbytes))
            end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
        memory = new_memory(end, shared=True)
        target = memoryview(memory.numpy())
        for (start, stop), view in zip(places, views):
            target[start:stop] = view
        return self._moved, (file.getvalue(), places, memory)

    def __len__(self) -> int:
        return len(self.samples())

    def pin_memory(self) -> SampleBatch:
        """Return the batch in pinned memory, for torch's data loader."""
        if self._memory is None:
            return self
        return self._moved(self._pickled, self._places, self._memory.pin_memory())

    def samples(self) -> list:
        """Return the data samples in host memory."""
        if self._samples is None:
            content = self._unpickled()
            self._samples = content if isinstance(content, list) else content.samples()
        return self._samples

    def to(self, device: torch.device | str, non_blocking: bool = False) -> list:
        """Return the data samples with their tensors on a device, copied at once."""
        if torch.device(device).type == 'cpu':
            return self.samples()
        content, memory = self._unpickled(), self._memory
        moved = None if memory is None else memory.to(device, non_blocking=non_blocking)

        def place(tensor: Tensor) -> Tensor:
            if moved is None or memory is None:
                return tensor.to(device, non_blocking=non_blocking)
            start = tensor.data_ptr() - memory.data_ptr()
            end = start + tensor.numel() * tensor.element_size()
            return moved[start:end].view(tensor.dtype).view(tensor.shape)

        if not isinstance(content, list):
            return content.samples(place)
        for data, name, value in _tensors(content):
            several = isinstance(value, list)
            data.set_field([place(one) for one in value] if several else place(value), name)
        return content

    def _unpickled(self) -> list | PackedPeople:
        if self._content is None:
            assert self._memory is not None  # as _moved sets it
            memory = memoryview(self._memory.numpy())
            views = [memory[start:stop] for start, stop in self._places]
            self._content = pickle.loads(self._pickled, buffers=views)
        return self._content


class _Pickler(pickle.Pickler):
    """Pickle tensors as contiguous arrays with out-of-band memory.

    numpy keeps other arrays in the pickle, or, from 2.3 on, their memory in an order of its own.
    """

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return torch.from_numpy, (value.contiguous().numpy(),)
        return NotImplemented


def _tensors(samples: list) -> Iterator[tuple[BaseDataElement, str, Tensor | list[Tensor]]]:
    """Yield all tensors of data samples, with the data elements that hold them.

    Pixel data of several levels hold a list.
    """
    for sample in samples:
        for name, value in sample.items():
            if isinstance(value, BaseDataElement):
                yield from _tensors([value])
            elif isinstance(value, Tensor):
                yield sample, name, value
            elif isinstance(sample, MultilevelPixelData) and isinstance(value[0], Tensor):
                yield sample, name, list(value)
