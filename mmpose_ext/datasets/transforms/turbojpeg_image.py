# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decode images with libjpeg-turbo itself, for OpenCV builds without it."""

from __future__ import annotations

import importlib.util
import warnings
from functools import lru_cache
from typing import Any

import mmcv
import numpy as np
from mmengine import fileio
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import TRANSFORMS


@lru_cache(maxsize=None)
def _decoder() -> Any:
    """Return a decoder of PyTurboJPEG, or None if it or its library is not installed."""
    if importlib.util.find_spec('turbojpeg') is None:
        return None
    try:
        import turbojpeg

        return turbojpeg.TurboJPEG()
    except (ImportError, OSError, RuntimeError):
        return None


def has_turbojpeg() -> bool:
    """Return whether PyTurboJPEG and its library are installed."""
    return _decoder() is not None


@TRANSFORMS.register_module()
class LoadTurboJpegImage(LoadImage):
    """mmpose's ``LoadImage``, which decodes JPEGs with PyTurboJPEG.

    OpenCV decodes all images that PyTurboJPEG cannot decode in the same way: other formats, JPEGs
    with EXIF data (which may rotate the image), and damaged ones. If both use the same
    libjpeg-turbo, pixels of JPEGs differ from OpenCV's at most by rounding.

    Args:
        **kwargs: See ``LoadImage``; ``color_type`` must be ``'color'``.

    Raises:
        ImportError: If PyTurboJPEG or libturbojpeg is not installed.
        ValueError: If ``color_type`` has another value.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not has_turbojpeg():
            raise ImportError(
                'LoadTurboJpegImage: PyTurboJPEG cannot be used. Run `pip install PyTurboJPEG` and '
                'install libturbojpeg, or use LoadImage.'
            )
        if self.color_type != 'color':
            raise ValueError(
                f"LoadTurboJpegImage: color_type must be 'color', got {self.color_type!r}."
            )

    def transform(self, results: dict) -> dict | None:
        """Load ``results['img_path']`` as ``img``, (H, W, 3) uint8 BGR, unless ``img`` exists."""
        if 'img' not in results:
            content = fileio.get(results['img_path'], backend_args=self.backend_args)
            image = decode(content)
            if image is None and content:
                image = mmcv.imfrombytes(content, self.color_type, backend=self.imdecode_backend)
            if image is not None:
                results['img'] = image
        return super().transform(results)


def decode(content: bytes) -> np.ndarray | None:
    """Decode a plain color JPEG to (H, W, 3) uint8 BGR; None for images that OpenCV must read."""
    if not content.startswith(b'\xff\xd8') or b'Exif\0' in content[:4096]:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')  # it warns about damaged images
            return _decoder().decode(content)
    except (OSError, RuntimeError, ValueError, Warning):
        return None
