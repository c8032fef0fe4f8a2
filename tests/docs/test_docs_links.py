# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Everything that the documentation names exists: files, anchors, modules, commands, options."""

from __future__ import annotations

import argparse
import importlib
import re
from itertools import product
from urllib.parse import unquote, urlparse

import pytest
from markdown_pages import PAGES, ROOT, anchors_of, commands_of, links_of, name_of

from mmpose_ext.apps.main import COMMANDS

METAFILES = [ROOT / 'model-index.yml', *sorted((ROOT / 'configs').glob('*.yml'))]
PATH = re.compile(
    r'(?<![\w./:-])(?:configs|docs|mmpose_ext|requirements|tests|tools)/[\w./*{},$-]*'
)
CONFIG_NAME = re.compile(r'`((?:ablation/|demo/|lsp/)?[a-z]\w+_\d+x\d+)`')
MODULE = re.compile(r'\bmmpose_ext(?:\.\w+)+')
page = pytest.mark.parametrize('page', PAGES, ids=name_of)


def missing_paths(text: str) -> list[str]:
    """Return paths of this project that a text names and that match no file.

    ``*``, ``{a,b}`` and ``${x}`` are patterns.
    """
    missing = []
    for found in PATH.findall(text):
        pattern = re.sub(r'\$\{\w+\}', '*', found).rstrip('.,')
        if pattern.count('{') > pattern.count('}'):
            pattern = pattern[: pattern.rindex('{')] + '*'
        parts = [part.split(',') for part in re.split(r'[{}]', pattern)]
        for choice in product(*parts):
            if not any(ROOT.glob(''.join(choice))):
                missing.append(found)
    return missing


@pytest.mark.parametrize(
    'text, missing',
    [
        ('`configs/attention.yml`, docs/.', []),
        ('docs/no-such-page.md', ['docs/no-such-page.md']),
        ('configs/frsbn_* and configs/nothing_*', ['configs/nothing_*']),
        ('configs/lsp/${row}_resnet18_lspet_64x64.py', []),
        ('mmpose_ext/{codecs,nothing}', ['mmpose_ext/{codecs,nothing}']),
    ],
)
def test_missing_paths(text, missing):
    assert missing_paths(text) == missing


@pytest.mark.parametrize('file', [*PAGES, *METAFILES], ids=name_of)
def test_paths_exist(file):
    assert not missing_paths(file.read_text())


@page
def test_links_lead_somewhere(page):
    """Links within the project lead to a file and its heading; others are only well-formed."""
    for link in links_of(page):
        url = urlparse(link)
        if url.scheme:
            assert url.scheme in ('http', 'https') and re.fullmatch(r'[\w.-]+\.\w+', url.netloc), (
                link
            )
            continue
        target = (page.parent / unquote(url.path)).resolve() if url.path else page
        assert target.exists() and ROOT in (target, *target.parents), link
        if url.fragment:
            assert url.fragment in anchors_of(target), link


@page
def test_configs_named_without_folder_exist(page):
    names = CONFIG_NAME.findall(page.read_text())
    assert not [name for name in names if not (ROOT / 'configs' / f'{name}.py').exists()]


@page
def test_python_names_exist(page):
    for name in set(MODULE.findall(page.read_text())):
        module, _, attribute = name.rpartition('.')
        try:
            importlib.import_module(name)
        except ImportError:
            assert hasattr(importlib.import_module(module), attribute), name


@page
def test_commands_have_the_options_named(page):
    for line in commands_of(page):
        for command, arguments in re.findall(r'\bmmpose-ext ([a-z]\w*)([^|;]*)', line):
            assert command in COMMANDS, line
            parser = argparse.ArgumentParser()
            module = importlib.import_module(f'mmpose_ext.apps.{COMMANDS[command][0]}')
            module.add_arguments(parser)
            named = set(re.findall(r'(?<![\w-])--[a-z][\w-]*', arguments))
            assert named <= set(parser._option_string_actions), line


@page
def test_make_targets_exist(page):
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M))
    named = {
        target
        for line in commands_of(page)
        for target in re.findall(r'^\s*make (?:\w+=\S+ )*([a-z][\w-]*)', line)
    }
    assert named <= targets
