# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The code calls nothing newer than the oldest supported Python, torch and numpy.

`make test-env` runs the tests with those versions; this file finds what is visible without them.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import subprocess
import sys

import pytest

FOLDERS = ('mmpose_ext', 'tests', 'tools')
# The module that checks torch's version.
GUARDED = ('mmpose_ext/utils/compat.py',)
# The version, newer than torch 2.0 and numpy 1.23, that introduced a call; name(argument=) is an
# argument of any function of that name.
NEWER = {
    'torch.OutOfMemoryError': 'torch 2.5',
    'torch.accelerator': 'torch 2.6',
    'torch.amp.GradScaler': 'torch 2.3',
    'torch.compiler': 'torch 2.1',
    'torch.export': 'torch 2.1',
    'torch.get_default_device': 'torch 2.3',
    'torch.get_device_module': 'torch 2.5',
    'torch.nn.attention': 'torch 2.3',
    'torch.serialization.add_safe_globals': 'torch 2.4',
    'torch.serialization.safe_globals': 'torch 2.5',
    'torch.serialization.skip_data': 'torch 2.6',
    'torch.uint16': 'torch 2.3',
    'torch.uint32': 'torch 2.3',
    'torch.uint64': 'torch 2.3',
    'torch.unravel_index': 'torch 2.2',
    'nn.Buffer': 'torch 2.5',
    'nn.RMSNorm': 'torch 2.4',
    'nn.utils.get_total_norm': 'torch 2.6',
    'F.rms_norm': 'torch 2.4',
    'DataLoader(in_order=)': 'torch 2.6',
    'export(dynamo=)': 'torch 2.5',
    'export(external_data=)': 'torch 2.5',
    'is_bf16_supported(including_emulation=)': 'torch 2.5',
    'load(mmap=)': 'torch 2.1',
    'load_state_dict(assign=)': 'torch 2.1',
    'scaled_dot_product_attention(enable_gqa=)': 'torch 2.5',
    'scaled_dot_product_attention(scale=)': 'torch 2.1',
    'custom_op()': 'torch 2.4',  # any call, imported from its module or not
    'is_relative_to()': 'Python 3.9',  # a method of Path, which vermin does not see
    'register_post_accumulate_grad_hook()': 'torch 2.1',
    'np.acos': 'numpy 2.0',
    'np.astype': 'numpy 2.0',
    'np.bool': 'numpy 2.0',
    'np.concat': 'numpy 2.0',
    'np.cumulative_sum': 'numpy 2.1',
    'np.exceptions': 'numpy 1.25',
    'np.isdtype': 'numpy 2.0',
    'np.long': 'numpy 2.0',
    'np.matrix_transpose': 'numpy 2.0',
    'np.permute_dims': 'numpy 2.0',
    'np.pow': 'numpy 2.0',
    'np.trapezoid': 'numpy 2.0',
    'np.unique_values': 'numpy 2.0',
    'np.unstack': 'numpy 2.1',
    'np.vecdot': 'numpy 2.0',
}
GENERICS = {*vars(builtins), *collections.abc.__all__}


def names_used(tree: ast.AST) -> list[tuple[str, int]]:
    """Return dotted names with their lines, and calls as ``name()`` and ``name(argument=)``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            found.append((dotted(node), node.lineno))
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f'{node.module}.{alias.name}', node.lineno) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        if isinstance(node, ast.Call):
            name = dotted(node.func).split('.')[-1]
            found.append((f'{name}()', node.lineno))
            found += [(f'{name}({k.arg}=)', node.lineno) for k in node.keywords]
    return found


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f'{dotted(node.value)}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def too_new(text: str) -> list[str]:
    return [
        f'line {line}: {name}, {NEWER[name]}'
        for name, line in names_used(ast.parse(text))
        if name in NEWER
    ]


def sources(root) -> dict[str, str]:
    return {
        str(file.relative_to(root)): file.read_text(encoding='utf-8')
        for folder in FOLDERS
        for file in sorted((root / folder).rglob('*.py'))
        if '.mim' not in file.parts
    }


def test_no_call_newer_than_the_oldest_torch_and_numpy(root):
    found = {name: too_new(text) for name, text in sources(root).items() if name not in GUARDED}
    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    'text',
    [
        'import torch\ntorch.serialization.safe_globals([])',
        'from torch.serialization import safe_globals',
        'F.scaled_dot_product_attention(q, k, v, scale=1.0)',
        'tensor.register_post_accumulate_grad_hook(f)',
        'import torch.nn.attention',
        '@custom_op("own::op", mutates_args=())\ndef op(x): ...',
    ],
)
def test_newer_calls_are_found(text):
    assert len(too_new(text)) == 1


def aliases_of_generics(text: str) -> list[int]:
    """Return lines that evaluate ``Name = dict[str, int]``, which Python 3.8 cannot."""
    body = ast.parse(text).body
    of_typing = {
        alias.name
        for node in body
        if isinstance(node, ast.ImportFrom) and node.module == 'typing'
        for alias in node.names
    }
    return [
        node.lineno
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and dotted(node.value.value) in GENERICS - of_typing
    ]


def test_no_generic_is_evaluated(root):
    found = {name: aliases_of_generics(text) for name, text in sources(root).items()}
    assert not {name: lines for name, lines in found.items() if lines}
    assert aliases_of_generics('Maps = dict[str, int]') == [1]


def test_python_38(root):
    """vermin reads the syntax and the standard library's names (also in `make lint`)."""
    pytest.importorskip('vermin', reason='vermin is not installed')
    command = [sys.executable, '-c', 'from vermin import main; main()', '-t=3.8-', '--no-tips']
    result = subprocess.run(
        [*command, '--no-parse-comments', '--violations', *FOLDERS, 'setup.py'],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
