# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Compare an ONNX graph's results with PyTorch's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .graph import ExportGraph, decode_maps

#: Number of times that PyTorch's maps are disturbed to find keypoints that rounding decides.
TRIALS = 8


@dataclass
class Verification:
    """The distance of an ONNX graph's results from PyTorch's."""

    tolerance: float  #: largest distance allowed, in input pixels
    distance: float  #: largest distance of a keypoint, in input pixels; inf if none was compared
    compared: int  #: keypoints compared
    undecided: int  #: keypoints that rounding alone moves by more than the tolerance; not compared
    map_difference: float | None  #: largest relative difference of maps; None if the graph decodes
    inputs: list[str]  #: descriptions of the batches that were run
    empty_passes: bool = False  #: whether maps that agree are enough if nobody was found

    @property
    def passed(self) -> bool:
        """Whether keypoints were compared and all are within the tolerance."""
        enough = self.compared > 0 or (self.empty_passes and not self.undecided)
        return enough and self.distance <= self.tolerance

    def __str__(self) -> str:
        text = (
            f'{self.compared} keypoints of {", ".join(self.inputs)} lie within '
            f"{self.distance:.2g} px of PyTorch's (allowed: {self.tolerance:g} px)"
        )
        if not self.compared:
            text = f"no keypoint of {', '.join(self.inputs)} could be compared with PyTorch's"
        if self.undecided:
            text += (
                f'; {self.undecided} more have maps too flat or too low for float32 to decide '
                'where they are'
            )
        if self.map_difference is not None:
            text += f'; maps differ by {self.map_difference:.2g} of their largest value'
        return text


def random_images(size: Sequence[int], images: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """Return batches to verify with: one image, two smooth random ones, and the given ones.

    Args:
        size (Sequence[int]): [w, h].
        images (Sequence[np.ndarray]): (H, W, 3) uint8 each, resized to the size. Defaults to none.

    Returns:
        list[np.ndarray]: (B, h, w, 3) uint8 each.
    """
    random = np.random.default_rng(0)
    w, h = size
    smooth = [
        cv2.resize(
            random.integers(0, 256, (8, 8, 3), np.uint8), (w, h), interpolation=cv2.INTER_CUBIC
        )
        for _ in range(3)
    ]
    batches = [np.stack(smooth[:1]), np.stack(smooth)]
    if len(images):
        batches.append(np.stack([cv2.resize(image, (w, h)) for image in images]))
    return batches


def verify(
    session: Any, graph: ExportGraph, batches: Sequence[Sequence[np.ndarray]], tolerance: float
) -> Verification:
    """Run a graph in onnxruntime and compare it with the model in PyTorch.

    At the codec's input size, the reference is the model's own preprocessing, network and head
    (``predict`` without flip test). At other sizes, which only graphs without decoding accept, the
    reference is the traced module in PyTorch, and a codec of that size decodes the maps of both.

    A keypoint is not compared if float32 does not determine it: if PyTorch's maps, disturbed by a
    few times the difference between its float32 and float64 results, give positions further apart
    than half the tolerance (two equal maxima, a flat or empty map).

    Args:
        session (InferenceSession): onnxruntime's session of the exported graph.
        graph (ExportGraph): The traced module.
        batches (Sequence[Sequence[np.ndarray]]): Batches (B, h, w, 3) uint8 for each size.
        tolerance (float): Largest distance allowed, in input pixels.
    """
    result = Verification(tolerance, 0.0, 0, 0, None if graph.decode else 0.0, [])
    precise = copy.deepcopy(graph).double()
    for images in (batch for size in batches for batch in size):
        b, h, w = images.shape[:3]
        result.inputs.append(f'{b}x{w}x{h}')
        inputs = as_input(graph, images)
        outputs = session.run(None, {'images': inputs.numpy()})
        maps, exact = maps_of(graph, inputs), maps_of(precise, inputs)
        codec = codec_of_size(graph.codec, (w, h))
        own_size = (w, h) == tuple(graph.codec.input_size)
        expected = predicted(graph.model, images) if own_size else _decoded(codec, maps)
        if graph.decode:
            found = outputs[0]
        else:
            given = {name: torch.from_numpy(v) for name, v in zip_equal(maps, outputs)}
            found = _decoded(codec, given)
            result.map_difference = max(
                result.map_difference or 0.0, relative_difference(given, maps)
            )
        decided = _decided(codec, maps, exact, tolerance)
        distance = np.linalg.norm(found - expected, axis=-1)[decided]
        result.compared += int(decided.sum())
        result.undecided += int((~decided).sum())
        if distance.size:  # a NaN must not pass
            largest = float(np.where(np.isnan(distance), np.inf, distance).max())
            result.distance = max(result.distance, largest)
    if not result.compared:
        result.distance = float('inf')
    return result


def as_input(graph: ExportGraph, images: np.ndarray) -> Tensor:
    """Convert images (B, h, w, 3) uint8 to the graph's input."""
    tensor = torch.from_numpy(images)
    if graph.input_kind == 'uint8':
        return tensor
    if graph.input_kind == 'float32':
        return tensor.float()
    return preprocessed(graph.model, images)['inputs']


def maps_of(graph: ExportGraph, inputs: Tensor) -> Maps:
    """Return a graph's maps in PyTorch, computed in the precision of its weights."""
    dtype = next(graph.model.parameters()).dtype
    with torch.no_grad():
        return graph.maps(inputs.to(dtype) if inputs.is_floating_point() else inputs)


def preprocessed(model: nn.Module, images: np.ndarray) -> dict:
    """Preprocess images (B, h, w, 3) uint8 for the network as mmpose does."""
    sample = PoseDataSample(
        metainfo=dict(
            input_size=tuple(images.shape[2:0:-1]),
            flip_indices=model.dataset_meta['flip_indices'],
        )
    )
    tensors = list(torch.from_numpy(images).permute(0, 3, 1, 2))
    return model.data_preprocessor(dict(inputs=tensors, data_samples=[sample] * len(images)))


def predicted(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return mmpose's own predictions for top-down images: keypoints (B, K, 2)."""
    return np.concatenate([np.asarray(each.keypoints) for each in instances_of(model, images)])


def instances_of(model: nn.Module, images: np.ndarray) -> list:
    """Return mmpose's own predictions for B images (B, h, w, 3), without flip test."""
    with torch.no_grad():
        data = preprocessed(model, images)
        feats = model.extract_feat(data['inputs'])
        return model.head.predict(feats, data['data_samples'], test_cfg={})


def codec_of_size(codec: Any, size: tuple[int, int]) -> Any:
    """Return a top-down codec for inputs of another size [w, h], with maps of the same stride."""
    if tuple(codec.input_size) == tuple(size):
        return codec
    other = copy.copy(codec)
    other.input_size = tuple(size)
    for name in ('map_size', 'heatmap_size'):
        if hasattr(codec, name):
            cells = getattr(codec, name)
            scaled = tuple(
                round(n * new / old) for n, new, old in zip_equal(cells, size, codec.input_size)
            )
            setattr(other, name, scaled)
    if hasattr(other, '_constants'):
        other._constants = {}
    return other


def _decoded(codec: Any, maps: Maps) -> np.ndarray:
    """Decode top-down maps to keypoints (B, K, 2) with the codec, as a head does."""
    if hasattr(codec, 'locate'):
        return np.concatenate(codec.batch_decode(maps)[0])
    return np.concatenate([codec.decode(each.numpy())[0] for each in maps['heatmaps']])


def _decided(codec: object, maps: Maps, exact: Maps, tolerance: float) -> np.ndarray:
    """Return which keypoints (B, K) stay in place if rounding disturbs the maps."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        points, scores = decode_maps(codec, {name: v.clone() for name, v in maps.items()})
        moved = torch.zeros_like(scores)
        for _ in range(TRIALS):
            other, _ = decode_maps(codec, disturbed(maps, exact, generator))
            moved = torch.maximum(moved, (other - points).norm(dim=-1).nan_to_num(torch.inf))
    decided = moved <= tolerance / 2
    if not hasattr(codec, 'locate'):  # mmpose does not refine a map without positive values
        decided &= scores > 0
    return decided.numpy()


def disturbed(maps: Maps, exact: Maps, generator: torch.Generator) -> Maps:
    """Add noise to maps, a few times the difference between float32 and float64 results."""
    noisy = {}
    for name, value in maps.items():
        noise = 4 * (value - exact[name]).abs().max().float()
        noisy[name] = value + noise * (torch.rand(value.shape, generator=generator) * 2 - 1)
    return noisy


def relative_difference(maps: Maps, others: Maps) -> float:
    """Return the largest difference between maps, divided by their largest value."""
    return max(float((maps[n] - v).abs().max() / v.abs().max()) for n, v in others.items())
