# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Docstrings give each argument's type and default; prose and names have one spelling."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_pages import PAGES

ENTRY = re.compile(r'([\w, ]+?)(?: \((.+?)\))?: (.*)')
#: Beginnings of words that British and American English spell differently.
BRITISH = re.compile(
    r'(?<![a-z])(?:de|re|un)?(?:colour|centre|centring|grey|neighbour|behaviour|favour|artefact|'
    r'labell|learnt|'
    r'(?:general|initial|local|maxim|minim|normal|optim|organ|quant|random|recogn|regular|serial|'
    r'summar|synchron|visual)is(?:e|ing|ation))',
    re.IGNORECASE,
)
#: The key that older files of finished runs have.
KEPT = '"labelled"'


def definitions(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield the parts of a file that have a docstring (itself, classes, functions), and this."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node, docstring


def entries(docstring: str, title: str) -> list[str]:
    """Return the entries of a section, each in one line."""
    for section in re.split(r'\n(?=\S)', docstring):
        if section.startswith(f'{title}:\n'):
            return [' '.join(entry.split()) for entry in re.split(r'\n    (?=\S)', section)[1:]]
    return []


def defaults(node: ast.AST) -> dict[str, ast.expr]:
    """Return the defaults of a function's arguments, or a class's, which may be a dataclass."""
    if isinstance(node, ast.ClassDef):
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and each.name == '__init__':
                return defaults(each)
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and each.value]
        return {each.target.id: each.value for each in fields}
    positional = node.args.posonlyargs + node.args.args
    found = dict(zip([arg.arg for arg in reversed(positional)], reversed(node.args.defaults)))
    named = zip([arg.arg for arg in node.args.kwonlyargs], node.args.kw_defaults)
    return {**found, **{name: value for name, value in named if value}}


def faults(node: ast.AST, docstring: str) -> list[str]:
    """Return the entries without a type or default, where 'See ...' refers to another docstring."""
    known = defaults(node)
    wrong = [entry for entry in entries(docstring, 'Attributes') if not ENTRY.fullmatch(entry)[2]]
    returned = re.search(r'\nReturns:\n    (.*)', docstring)
    if returned and not re.match(r'[a-zA-Z][\w\[\], .|]*: ', returned[1]):
        wrong.append(f'Returns: {returned[1]}')
    for entry in entries(docstring, 'Args'):
        if entry.startswith('*'):
            continue
        names, kind, text = ENTRY.fullmatch(entry).groups()
        values = [known[name] for name in names.split(', ') if name in known]
        by_none = all(isinstance(value, ast.Constant) and value.value is None for value in values)
        told = 'optional' in str(kind) if by_none else 'Defaults to' in text
        if not text.startswith('See ') and (not kind or values and not told):
            wrong.append(entry)
    return [f'{node.name}: {entry}' for entry in wrong]


@pytest.mark.parametrize(
    'entry, is_wrong',
    [
        ('size: In pixels. Defaults to 3.', True),
        ('size (int): In pixels.', True),
        ('size (int): In pixels. Defaults to 3.', False),
        ('size (int): See another.', False),
        ('device (str): A device.', True),
        ('device (str, optional): A device.', False),
    ],
)
def test_faults_are_found(entry, is_wrong):
    source = f'def f(size=3, device=None):\n    """Do.\n\n    Args:\n        {entry}\n    """'
    node = ast.parse(source).body[0]
    assert bool(faults(node, ast.get_docstring(node))) == is_wrong


def test_arguments_have_types_and_defaults(root):
    wrong = [
        f'{path.relative_to(root)}: {fault}'
        for path in sorted((root / 'mmpose_ext').rglob('*.py'))
        for node, docstring in definitions(path)
        if not isinstance(node, ast.Module)
        for fault in faults(node, docstring)
    ]
    assert not wrong, '\n'.join(wrong)


def test_spelling_is_american(root):
    """Pages and sources have American spelling, in comments, messages and names too."""
    folders = ('mmpose_ext', 'configs', 'docs', 'tests', 'tools')
    sources = [path for name in folders for path in sorted((root / name).rglob('*.py'))]
    sources.remove(Path(__file__))  # has the other spelling in BRITISH
    wrong = [
        f'{path.relative_to(root)}: {found.group()}'
        for path in [*PAGES, *sources]
        for found in BRITISH.finditer(path.read_text().replace(KEPT, ''))
    ]
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('word', ['colour', 'is_labelled', 'CENTRES', 'unlabelled', 'normalise'])
def test_british_spelling_is_found(word):
    assert BRITISH.search(word)


@pytest.mark.parametrize('word', ['color', 'is_labeled', 'bbox_center', 'label_names', 'bounding'])
def test_other_words_are_not(word):
    assert not BRITISH.search(word)
