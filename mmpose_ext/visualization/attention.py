# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read the attention of a network's layers with forward hooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from mmcv.cnn import NonLocal2d
from mmcv.cnn.bricks import ContextBlock
from torch import Tensor, nn

from mmpose_ext.models.layers.cbam import SpatialAttention
from mmpose_ext.models.layers.precision import at_least_float32
from mmpose_ext.models.necks.sa_mfcd import SAMFCD

from .canvas import Frame, palette
from .contact_sheet import Tile
from .painters import Scene

NON_LOCAL_MODES = ('gaussian', 'embedded_gaussian')
WARM = np.array([[60, 200, 250]])


@dataclass(frozen=True)
class Attention:
    """One layer's attention to the first image of a batch.

    Attributes:
        layer (str): The layer's name in the network.
        kind (str): A short description of what is drawn.
        maps (np.ndarray): (1, h, w), or (K, h, w) with the attention of each of K queries.
        cells (np.ndarray): (K, 2) cells x, y of the queries; (0, 2) without queries.
    """

    layer: str
    kind: str
    maps: np.ndarray
    cells: np.ndarray


@contextmanager
def record_attention(network: nn.Module, queries: np.ndarray) -> Iterator[list[Attention]]:
    """Record the attention of all layers that have one, in the order of their calls.

    It records the spatial attention of CBAM and second-order CBAM (after its sigmoid), the softmax
    rows of Gaussian and embedded-Gaussian non-local blocks for the cells at ``queries``, the
    softmax weights of global-context blocks, and SA-MFCD's fused attention.

    Args:
        network (nn.Module): Any network; its layers are found by their classes.
        queries (np.ndarray): (K, 2) positions as fractions of the input's width and height, 0 to 1.

    Yields:
        list[Attention]: A list that fills while the network runs in the ``with`` block.
    """
    found: list[Attention] = []
    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            for module, hook in _hooks(name, layer, queries, found):
                hooks.callback(module.register_forward_hook(hook).remove)
        yield found


def paint_attention(scene: Scene, attention: list[Attention]) -> list[Tile]:
    """Draw each layer's attention over the image, scaled from its minimum to its maximum."""
    tiles = []
    for layer in attention:
        canvas = scene.canvas()
        frame = Frame.of_centers(scene.input_size, layer.maps.shape[:0:-1])
        low, high = (f(layer.maps, (1, 2), keepdims=True) for f in (np.min, np.max))
        colors = palette(len(layer.cells)) if len(layer.cells) else WARM
        levels = (layer.maps - low) / np.maximum(high - low, 1e-12)
        canvas.blend(levels, frame, colors, smooth=False)
        for cell, color in zip(layer.cells, colors):
            canvas.dots(frame.pixels(cell)[None], (255, 255, 255), 3.5)
            canvas.dots(frame.pixels(cell)[None], color, 2.5)
        h, w = layer.maps.shape[1:]
        name = re.sub(r'^backbone\.', '', layer.layer)
        values = f'{low.min():.2g} to {high.max():.2g}'
        tiles.append(Tile(f'{layer.kind} {w}x{h}, {values}: {name}', canvas.picture))
    return tiles


def _hooks(
    name: str, layer: nn.Module, queries: np.ndarray, found: list[Attention]
) -> Iterator[tuple[nn.Module, Callable]]:
    """Return pairs of a module and its forward hook, for a layer that has attention."""
    no_cells = np.zeros((0, 2), int)

    def spatial(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.append(Attention(name, 'spatial', _array(output[0]), no_cells))

    def context(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        weights = output[0].flatten().float().softmax(0).view(1, *output.shape[2:])
        found.append(Attention(name, 'global context', _array(weights), no_cells))

    def fused(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.append(Attention(name, 'SA-MFCD', _array(output[0].mean(0, keepdim=True)), no_cells))

    def non_local(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        maps, cells = _non_local_rows(module, inputs[0][:1], queries)
        found.append(Attention(name, 'non-local', _array(maps), cells))

    if isinstance(layer, SpatialAttention):
        yield layer, spatial
    elif isinstance(layer, ContextBlock) and hasattr(layer, 'conv_mask'):
        yield layer.conv_mask, context
    elif isinstance(layer, SAMFCD):
        yield layer.fuse_attention, fused
    elif isinstance(layer, NonLocal2d) and layer.mode in NON_LOCAL_MODES and len(queries):
        yield layer, non_local


@torch.no_grad()
def _non_local_rows(layer: NonLocal2d, x: Tensor, queries: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Return the attention of the cells at the queries, (K, h, w), and these cells, (K, 2)."""
    h, w = x.shape[-2:]
    cells = np.floor(queries * (w, h)).astype(int).clip(0, (w - 1, h - 1))
    embedded = layer.mode == 'embedded_gaussian'
    query = layer.theta(x) if embedded else x
    # sub_sample makes phi a pool, after a convolution where there is an embedding
    key = layer.phi(x) if embedded or layer.sub_sample else x
    index = torch.as_tensor(cells, device=x.device)
    rows = at_least_float32(query)[0, :, index[:, 1], index[:, 0]].T
    logits = rows @ at_least_float32(key)[0].flatten(1)
    if embedded and layer.use_scale:
        logits = logits / query.shape[1] ** 0.5
    return logits.softmax(-1).view(len(cells), *key.shape[-2:]), cells


def _array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
