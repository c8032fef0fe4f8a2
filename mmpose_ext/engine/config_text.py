# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check whether a config text from a checkpoint is only data, or holds or names code."""

from __future__ import annotations

import ast
import importlib.util
import sys

from mmengine.registry import FUNCTIONS

_DATA_NODES = (
    ast.Constant,
    ast.Dict,
    ast.List,
    ast.Load,
    ast.Name,
    ast.Set,
    ast.Tuple,
    ast.UAdd,
    ast.USub,
    ast.UnaryOp,
    ast.keyword,
)
_NUMBERS = {'inf': float('inf'), 'nan': float('nan')}  # as mmengine writes them
_OPENMMLAB = ('mmcv', 'mmdet', 'mmengine', 'mmpose', 'mmpose_ext', 'mmpretrain')
_TORCHS_CLASSES = ('torch.nn.', 'torch.optim.')


def is_plain_config(text: object) -> bool:
    """Return whether running ``text`` as a Python config only builds dicts and lists.

    mmengine runs a checkpoint's config text (``meta['config']`` on ``--resume``, ``meta['cfg']``
    when an inferencer gets only weights). mmengine itself writes a series of ``name = value`` with
    numbers, strings, lists, tuples, dicts and ``dict(...)`` there. Anything else, including imports
    and base files (``_base_``), is not plain. Nor is data that makes mmengine import or call other
    things than components: a module in ``custom_imports`` that is neither OpenMMLab's nor loaded
    (those of the run's own config are), a ``type`` such as ``'os.system'``, and ``'{{'``, in whose
    place mmengine writes variables of the environment before it parses the text.

    Args:
        text (object): The config text. Anything but a ``str`` is not plain.
    """
    if not isinstance(text, str) or '{{' in text:
        return False
    try:
        tree = ast.parse(text)
        if not all(_is_data_assignment(statement) for statement in tree.body):
            return False
        config: dict[str, object] = {'__builtins__': {}, 'dict': dict, **_NUMBERS}
        exec(compile(tree, 'config', 'exec'), config)  # which only builds values, as just checked
        given = {name: value for name, value in config.items() if name != '__builtins__'}
        return _imports_are_loaded(given.get('custom_imports')) and _names_components(given)
    except (SyntaxError, ValueError, TypeError, NameError, RecursionError, MemoryError):
        return False


def _is_data_assignment(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign):
        return False
    names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if len(names) != len(statement.targets) or any(name.startswith('_') for name in names):
        return False
    if 'dict' in names:
        return False
    return all(
        isinstance(node, _DATA_NODES) or _is_dict_call(node) for node in ast.walk(statement.value)
    )


def _is_dict_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict'


def _imports_are_loaded(settings: object) -> bool:
    imports = settings.get('imports') if isinstance(settings, dict) else settings
    names = [imports] if isinstance(imports, str) else imports or []
    return isinstance(names, (list, tuple)) and all(
        isinstance(name, str) and (name in sys.modules or name.split('.')[0] in _OPENMMLAB)
        for name in names
    )


def _names_components(value: object) -> bool:
    """Return whether all types are components, and all scopes packages with components."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == 'type' and isinstance(part, str) and not _is_component(part):
                return False
            if key in ('default_scope', '_scope_') and not _is_scope(part):
                return False
        return all(map(_names_components, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_names_components, value))
    return True


def _is_scope(name: object) -> bool:
    return name is None or name in _OPENMMLAB or name in sys.modules


def _is_component(name: str) -> bool:
    """Return whether a type can only be a component, whatever the registries have.

    mmengine imports a type that no registry has: ``'a'`` is a module, ``'a.b'`` its attribute.
    """
    top, *rest = name.split('.')
    if not rest:
        return name in sys.modules or not name.isidentifier() or _find_spec(name) is None
    if top not in _OPENMMLAB and not name.startswith(_TORCHS_CLASSES):
        return False
    found = _loaded_object(name)
    if found is None:  # a scope and a registered name, such as mmdet.RTMDet
        return len(rest) == 1
    home = getattr(found, '__module__', '')
    if not isinstance(found, type):
        return any(found is function for function in FUNCTIONS.module_dict.values())
    return home.split('.')[0] in _OPENMMLAB or home.startswith(_TORCHS_CLASSES)


def _find_spec(name: str) -> object:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _loaded_object(name: str) -> object:
    parts = name.split('.')
    for length in range(len(parts) - 1, 0, -1):
        found: object = sys.modules.get('.'.join(parts[:length]))
        if found is not None:
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found
    return None
