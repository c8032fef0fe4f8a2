# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The documentation site builds without a warning, and every link inside it leads somewhere."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from mmpose.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    KEYPOINT_CODECS,
    METRICS,
    MODELS,
    TRANSFORMS,
    VISUALIZERS,
)

import mmpose_ext  # noqa: F401 (registers the parts)

REGISTRIES = (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    KEYPOINT_CODECS,
    METRICS,
    MODELS,
    TRANSFORMS,
    VISUALIZERS,
)


class Page(HTMLParser):
    """The links and the anchors of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ('href', 'src') and value:
                self.links.append(value)
            elif name == 'id' and value:
                self.anchors.add(value)


def build(root: Path, folder: Path, *options: str) -> Path:
    """Build the site from a copy of the pages and links to the rest of the checkout."""
    for entry in root.iterdir():
        if entry.name != 'docs' and not entry.name.startswith('.'):
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(root / 'docs', folder / 'docs', ignore=shutil.ignore_patterns('api'))
    site = folder / 'site'
    command = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-b', 'html']
    command += [*options, '-d', str(folder / 'doctrees'), str(folder / 'docs'), str(site)]
    result = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return site


def broken_links(site: Path) -> list[str]:
    """Return links within the site whose file or anchor is missing, each with its page."""
    pages = {path.resolve(): Page(path) for path in site.rglob('*.html')}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            url = urlparse(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchors = pages[target].anchors if target in pages else {url.fragment}
            if not target.exists() or (url.fragment and url.fragment not in anchors):
                broken.append(f'{path.relative_to(site.resolve())}: {link}')
    return broken


def test_broken_links_are_found(tmp_path):
    (tmp_path / 'a.html').write_text('<a href="b.html#x"><a href="b.html#y"><img src="c.png">')
    (tmp_path / 'b.html').write_text('<p id="x"><a href="https://example.org/d"><a href="#z">')
    assert sorted(broken_links(tmp_path)) == ['a.html: b.html#y', 'a.html: c.png', 'b.html: #z']


def test_pages_build_and_link(root, tmp_path):
    pytest.importorskip('sphinx', reason='only the environment of lock.txt has sphinx')
    site = build(root, tmp_path, '-t', 'no_api')
    assert not broken_links(site)


@pytest.fixture
def api_pages(root, monkeypatch):
    """Return the module that writes the API pages."""
    pytest.importorskip('sphinx', reason='only the environment of lock.txt has sphinx')
    monkeypatch.syspath_prepend(str(root / 'docs'))
    return importlib.import_module('api_pages')


def test_api_has_a_page_for_each_name_that_users_type(api_pages):
    pages = api_pages.pages()
    assert pages['mmpose_ext.codecs.ClusterTag'].startswith('ClusterTag\n==========\n')
    assert "type='ClusterTag'" in pages['mmpose_ext.codecs.ClusterTag']
    family = 'install_safe_loading, load_checkpoint_safely, safely_loading\n==='
    assert pages['mmpose_ext.engine.install_safe_loading'].startswith(family)
    for package, names in api_pages.public_names().items():
        shown = [name for family in api_pages.families(package, names) for name in family]
        assert sorted(shown) == sorted(names)
        assert all(hasattr(importlib.import_module(package), name) for name in names)


def test_api_has_no_page_for_what_no_package_exports(api_pages):
    """A page is of a package, of names in its ``__all__`` or of a module that users import."""
    owners = set(api_pages.public_names())
    for name in set(api_pages.pages()) - owners - {'index', *api_pages.MODULES}:
        package, _, exported = name.rpartition('.')
        assert package in owners and exported in importlib.import_module(package).__all__, name
    assert 'mmpose_ext.datasets.validation' not in owners


def test_names_of_a_module_are_public_in_one_package(api_pages):
    """Sphinx links a module's source to the entries of one package."""
    owners: dict[str, str] = {}
    for package, names in api_pages.public_names().items():
        for name in names:
            module = getattr(importlib.import_module(package), name).__module__
            assert owners.setdefault(module, package) == package, name


def test_api_has_everything_that_configs_name(api_pages):
    """Registered classes have a page, and so have the modules for ``custom_imports``."""
    public = {
        getattr(importlib.import_module(package), name)
        for package, names in api_pages.public_names().items()
        for name in names
    }
    entries = {entry for registry in REGISTRIES for entry in registry.module_dict.values()}
    ours = {entry for entry in entries if entry.__module__.startswith('mmpose_ext.')}
    assert len(ours) > 20
    assert not ours - public


@pytest.mark.long
def test_api_is_whole(root, tmp_path, api_pages):
    """Everything public has an entry, and docstrings' references lead somewhere."""
    site = build(root, tmp_path)
    assert not broken_links(site)
    anchors = set().union(*(Page(path).anchors for path in (site / 'api').glob('*.html')))
    public = {f'{p}.{name}' for p, names in api_pages.public_names().items() for name in names}
    assert not public - anchors
    page = Page(site / 'api' / 'mmpose_ext.engine.ValidateDataHook.html')
    assert 'mmpose_ext.datasets.validate.html#mmpose_ext.datasets.validate' in page.links
