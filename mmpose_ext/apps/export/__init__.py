# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Export trained models as ONNX files, and compare them with PyTorch (see docs/export.md)."""

from .exporter import Exported, export_onnx

__all__ = ['Exported', 'export_onnx']
