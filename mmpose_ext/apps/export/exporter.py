# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Export a config and its checkpoint to one ONNX file, and compare it with PyTorch."""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch.onnx import symbolic_opset13
from torch.onnx.symbolic_helper import parse_args

from mmpose_ext.apps.predict.pose_inferencer import PoseInferencer
from mmpose_ext.utils.atomic_files import require_writable, write_atomically
from mmpose_ext.utils.compat import TRACING_EXPORTER
from mmpose_ext.utils.ranges import require_least, require_one_of

from .decoder_file import write_decoder
from .graph import INPUT_KINDS, ExportGraph, example_input
from .metadata import METADATA_KEY, build_metadata, size_divisor
from .optional import require
from .verification import Verification, random_images, verify
from .verification_people import verify_people

#: It has GridSample (16) and LayerNormalization (17), and onnxruntime 1.12 or newer reads it.
OPSET = 17


@dataclass
class Exported:
    """The result of :func:`export_onnx`."""

    path: Path  #: the file
    verification: Verification  #: the comparison with PyTorch
    metadata: dict  #: the file's metadata


def export_onnx(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    out: str | os.PathLike,
    input_kind: str = INPUT_KINDS[0],
    decode: bool = False,
    fixed_size: bool = False,
    images: Sequence[np.ndarray] = (),
    tolerance: float = 1e-3,
    options: dict | None = None,
) -> Exported:
    """Write a trained model as an ONNX file and compare its results with PyTorch's.

    It also writes the folder ``pose_decoding``, which converts images to the model's input and its
    outputs to people with only numpy (see :mod:`~.decoder_file`).

    The batch is always dynamic. The size is dynamic too, in steps of the network's stride, unless
    the graph decodes the keypoints (their codec has one input size) or ``fixed_size`` is set.

    torch's TorchScript exporter traces the graph. It works with all versions of torch that this
    package supports, keeps sizes dynamic in every network here, and takes seconds.
    A trace could be wrong where code branches on sizes, so the verification uses batches and sizes
    other than the traced ones.

    Args:
        config (str | os.PathLike | Config): An mmpose config.
        checkpoint (str | os.PathLike): Its checkpoint; only its weights are loaded.
        out (str | os.PathLike): The file (``.onnx``), written completely or not at all.
        input_kind (str): See :class:`~.graph.ExportGraph`.
        decode (bool): Whether the graph outputs keypoints (B, K, 2) in input pixels and scores (B,
            K), for top-down models. If False, it outputs the maps. Defaults to False.
        fixed_size (bool): Whether to fix the input's size to the codec's. Defaults to False.
        images (Sequence[np.ndarray]): (H, W, 3) uint8 BGR images to verify with, in addition to
            random ones. They are resized to the input's size. Defaults to none.
        tolerance (float): Largest distance from PyTorch's keypoints, in input pixels. Defaults to
            0.001.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Returns:
        Exported: The result with the measured differences. The file is written even if they exceed
        the tolerance.

    Raises:
        ValueError: If the model's head or codec cannot be exported with these settings, or one is
            out of range.
        ImportError: If onnx or onnxruntime is not installed.
        OSError: If ``out`` cannot be written, which is checked first.
    """
    require_one_of(INPUT_KINDS, input_kind=input_kind)
    require_least(0, tolerance=tolerance)
    require_writable(out)
    onnx, runtime = require('onnx'), require('onnxruntime')
    loaded = PoseInferencer(config, checkpoint, 'cpu', options)
    model = loaded.model
    graph = ExportGraph(model, input_kind, decode)
    dynamic_size = not (fixed_size or decode)
    size = model.head.decoder.input_size
    example = example_input(size, input_kind)
    with torch.no_grad():
        names = ('keypoints', 'scores') if decode else tuple(graph.maps(example))
    metadata = build_metadata(
        model,
        loaded.cfg,
        loaded.data_mode,
        loaded.pipeline.transforms,
        input_kind,
        names,
        dynamic_size,
    )
    proto = onnx.load_from_string(_trace(graph, example, names, dynamic_size))
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(metadata)
    onnx.checker.check_model(proto)
    data = proto.SerializeToString()

    session = runtime.InferenceSession(data, providers=['CPUExecutionProvider'])
    step = size_divisor(model)
    batches = [random_images(size, images)]
    if dynamic_size:
        larger = (size[0] + step, size[1] + 2 * step)
        batches.append(random_images(larger, images)[:1])
    if loaded.data_mode == 'topdown':
        verification = verify(session, graph, batches, tolerance)
    else:
        verification = verify_people(session, graph, batches, tolerance, metadata)
    out = Path(out)
    write_atomically(out, data)
    write_decoder(out.parent)
    return Exported(out, verification, metadata)


def _trace(
    graph: ExportGraph, example: torch.Tensor, names: Sequence[str], dynamic_size: bool
) -> bytes:
    """Return the ONNX file of a graph, with a dynamic batch and optionally a dynamic size."""
    height, width = (2, 3) if graph.input_kind == 'normalized' else (1, 2)
    axes = {name: {0: 'batch'} for name in ('images', *names)}
    if dynamic_size:
        axes['images'].update({height: 'height', width: 'width'})
        for name in names:
            axes[name].update({2: 'map_height', 3: 'map_width'})
    buffer = io.BytesIO()
    with torch.no_grad(), _quiet(), _missing_operators():
        torch.onnx.export(
            graph,
            (example,),
            buffer,
            input_names=['images'],
            output_names=list(names),
            dynamic_axes=axes,
            opset_version=OPSET,
            **TRACING_EXPORTER,
        )
    return buffer.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the tracer's warnings, because the verification covers their causes."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


@contextlib.contextmanager
def _missing_operators() -> Iterator[None]:
    """Register ONNX forms of operators that the tracing exporter lacks.

    It has ``threshold`` only for 0, and ``unflatten`` only from torch 2.1 on. Older versions
    of torch evaluate the forms' annotations and need a class in the first one.
    """

    def threshold(graph: torch.Graph, values: Any, limit: Any, replacement: Any) -> Any:
        above = graph.op('Greater', values, graph.op('CastLike', limit, values))
        return graph.op('Where', above, values, graph.op('CastLike', replacement, values))

    @parse_args('v', 'i', 'is')
    def unflatten(graph: torch.Graph, values: Any, dim: int, sizes: Any) -> Any:
        own = graph.op('Shape', values)

        def part(start: int, end: int) -> Any:
            bounds = (graph.op('Constant', value_t=torch.tensor([at])) for at in (start, end))
            return graph.op('Slice', own, *bounds)

        inner = graph.op('Constant', value_t=torch.tensor(sizes))
        shape = graph.op('Concat', part(0, dim), inner, part(dim + 1, 2**31), axis_i=0)
        return graph.op('Reshape', values, shape)

    forms = {'aten::threshold': threshold}
    if not hasattr(symbolic_opset13, 'unflatten'):
        forms['aten::unflatten'] = unflatten
    for name, form in forms.items():
        torch.onnx.register_custom_op_symbolic(name, form, OPSET)
    try:
        yield
    finally:
        for name in forms:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)
