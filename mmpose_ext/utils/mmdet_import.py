# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Import this module to import mmdet without imgaug, which only its lane-line transforms use.

onedl-mmdetection imports imgaug together with all of its data sets. imgaug does not work with numpy
2, and its fork imaug requires older versions of numpy and OpenCV than the other packages. During
the import, placeholders stand for imgaug; afterwards, mmdet's components are registered. To train a
detector, name this module in its config's ``custom_imports``.
"""

import importlib
import importlib.util
import sys
from types import ModuleType

from mmpose_ext.utils.quiet import quiet_imports

_MODULES = (
    'imgaug',
    'imgaug.augmenters',
    'imgaug.augmentables',
    'imgaug.augmentables.lines',
    'imgaug.augmentables.segmaps',
)


class _Missing(ModuleType):
    """Placeholder for a module of imgaug; using anything from it raises ``ImportError``."""

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)

        def refuse(*args: object, **kwargs: object) -> None:
            raise ImportError(f'{self.__name__}.{name} needs imgaug: pip install imaug')

        return type(name, (), {'__new__': refuse})


def import_mmdet() -> ModuleType:
    """Import mmdet with its data sets; the placeholders for imgaug exist during the import only.

    Raises:
        ImportError: If mmdet is not installed or cannot be imported; the message says how to
            install it.
    """
    placeholders = {}
    if importlib.util.find_spec('imgaug') is None:
        placeholders = {name: _Missing(name) for name in _MODULES}
        for module in placeholders.values():
            module.__path__ = []
    sys.modules.update(placeholders)
    try:
        with quiet_imports():
            importlib.import_module('mmdet.datasets')
            return importlib.import_module('mmdet')
    except ImportError as error:
        raise ImportError(
            f'a person detector needs mmdet, whose import fails ({error}); install it with: '
            'pip install --no-deps onedl-mmdetection  (or: mim install mmdet)'
        ) from error
    finally:
        for name in placeholders:
            sys.modules.pop(name, None)


import_mmdet()

from mmdet.apis import DetInferencer  # noqa: E402
from mmdet.registry import DATASETS  # noqa: E402

__all__ = ['DATASETS', 'DetInferencer', 'import_mmdet']
