# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check whether a config text from a checkpoint is only data or holds code."""

import ast

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


def is_plain_config(text: object) -> bool:
    """Return whether running ``text`` as a Python config only builds dicts and lists.

    mmengine runs a checkpoint's config text (``meta['config']`` on ``--resume``, ``meta['cfg']``
    when an inferencer gets only weights). mmengine itself writes a series of ``name = value`` with
    numbers, strings, lists, tuples, dicts and ``dict(...)`` there. Anything else, including imports
    and base files (``_base_``), is not plain.

    Args:
        text (object): The config text. Anything but a ``str`` is not plain.
    """
    if not isinstance(text, str):
        return False
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_data_assignment(statement) for statement in statements)


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
