# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the API pages, one per package and module, and resolve docstrings' references."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from sphinx.addnodes import pending_xref
from sphinx.util import logging

PACKAGE = 'mmpose_ext'
ROLES_THAT_MUST_LEAD_SOMEWHERE = ('class', 'func', 'meth', 'mod', 'attr')
logger = logging.getLogger(__name__)


def packages() -> dict[str, list[str]]:
    """Return the names of all packages with those of their modules, in alphabetical order."""
    found: dict[str, list[str]] = {PACKAGE: []}
    root = importlib.import_module(PACKAGE)
    for info in pkgutil.walk_packages(root.__path__, f'{PACKAGE}.'):
        if info.ispkg:
            found.setdefault(info.name, [])
        else:
            found.setdefault(info.name.rpartition('.')[0], []).append(info.name)
    return {name: sorted(modules) for name, modules in sorted(found.items()) if modules}


def write(folder: Path, has_api: bool = True) -> None:
    """Write the pages; unchanged files stay untouched, so Sphinx does not rebuild them."""
    folder.mkdir(exist_ok=True)
    pages = {}
    found = packages() if has_api else {}
    for package, modules in found.items():
        pages[f'{package}.rst'] = _package_page(package, modules)
        pages.update({f'{module}.rst': _module_page(module) for module in modules})
    text = 'Generated from the docstrings: one page per package and per module.'
    pages['index.rst'] = _titled('API', text, list(found), depth=1)
    for path in folder.glob('*.rst'):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _package_page(package: str, modules: list[str]) -> str:
    """Return a page with a package's docstring, its exported names and links to its modules."""
    text = f'.. automodule:: {package}\n   :no-members:\n'
    exported = getattr(importlib.import_module(package), '__all__', [])
    names = [_exported(package, name) for name in exported]
    if any(names):
        text += f'\nExports\n-------\n{"".join(names)}\nModules\n-------\n'
    return _titled(package, text, modules)


def _exported(package: str, name: str) -> str:
    """Return the list entry of a class or function that a package exports; empty for values."""
    found = getattr(importlib.import_module(package), name)
    path = _name_of(found)
    if path is None or inspect.ismodule(found):
        return ''
    summary = inspect.cleandoc(found.__doc__ or '').partition('\n')[0]
    return f'- :obj:`~{path}`: {summary}\n'


def _module_page(module: str) -> str:
    """Return the reference page of one module."""
    return _titled(module.partition('.')[2], f'.. automodule:: {module}\n')


def _titled(title: str, text: str, children: Sequence[str] = (), depth: int = 2) -> str:
    """Return a page with a title, a text and links to the pages below it."""
    page = f'{title}\n{"=" * len(title)}\n{text}'
    if children:
        page += f'\n\n.. toctree::\n   :maxdepth: {depth}\n\n' + ''.join(
            f'   {child}\n' for child in children
        )
    return page


def qualify_references(app, doctree) -> None:
    """Replace the target of each docstring's reference by the name that the object's entry has.

    Docstrings use the names known in their module, and names that packages export. An unknown name
    gives a warning, which fails the build. References to private names and to other packages stay
    text.
    """
    for node in doctree.findall(pending_xref):
        if node.get('refdomain') != 'py':
            continue
        target = node['reftarget'].lstrip('.~')
        found = _look_up(target, node.get('py:module') or PACKAGE, node.get('py:class'))
        if found is not None:
            node['reftarget'] = _name_of(found) or target
            node['refspecific'] = False
        elif node.get('reftype') in ROLES_THAT_MUST_LEAD_SOMEWHERE and 'refexplicit' in node:
            if target.startswith(PACKAGE) or 'refspecific' not in node:
                logger.warning('%s: reference to an unknown name', target, location=node)


def _name_of(found: object) -> str | None:
    """Return the name under which an object is documented; None for values."""
    if inspect.ismodule(found):
        return found.__name__
    if hasattr(found, '__qualname__') and str(found.__module__).startswith(PACKAGE):
        return f'{found.__module__}.{found.__qualname__}'
    return None


def _look_up(target: str, module: str, owner: str | None) -> object | None:
    """Look a name up in a class, its module, that module's package and then all modules."""
    places = [f'{module}.{owner}'] if owner else []
    places += [module, module.rpartition('.')[0], '', 'builtins', *_modules()]
    names = (f'{place}.{target}' if place else target for place in places)
    return next(filter(None, map(_find, names)), None)


@functools.cache
def _modules() -> list[str]:
    """Return the names of all packages and modules."""
    return [name for package, modules in packages().items() for name in (package, *modules)]


@functools.cache
def _find(path: str) -> object | None:
    """Import the object of a dotted path; None if there is none."""
    parts = path.split('.')
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module('.'.join(parts[:length]))
        except Exception:  # the module does not exist, or its own imports fail
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None
