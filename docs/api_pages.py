# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The API pages: one a package with all its modules, and the references between docstrings."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from pathlib import Path

from sphinx.addnodes import pending_xref
from sphinx.util import logging

PACKAGE = 'mmpose_ext'
ROLES_THAT_MUST_LEAD_SOMEWHERE = ('class', 'func', 'meth', 'mod', 'attr')
logger = logging.getLogger(__name__)


def packages() -> dict[str, list[str]]:
    """Give the names of the packages with those of their modules, in alphabetical order."""
    found: dict[str, list[str]] = {PACKAGE: []}
    root = importlib.import_module(PACKAGE)
    for info in pkgutil.walk_packages(root.__path__, f'{PACKAGE}.'):
        if info.ispkg:
            found.setdefault(info.name, [])
        else:
            found.setdefault(info.name.rpartition('.')[0], []).append(info.name)
    return {name: sorted(modules) for name, modules in sorted(found.items()) if modules}


def write(folder: Path, has_api: bool = True) -> None:
    """Write the pages; those that would not change are left alone, so that nothing is rebuilt."""
    folder.mkdir(exist_ok=True)
    pages = {}
    if has_api:
        pages = {f'{name}.rst': _page(name, modules) for name, modules in packages().items()}
    names = '\n'.join(f'   {Path(page).stem}' for page in pages)
    pages['index.rst'] = (
        f'API\n===\nMade from the docstrings, a page a package.\n\n.. toctree::\n\n{names}\n'
    )
    for path in folder.glob('*.rst'):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _page(package: str, modules: list[str]) -> str:
    """Reference text of a page: the package's own docstring, then its modules."""
    text = f'{package}\n{"=" * len(package)}\n.. automodule:: {package}\n   :no-members:\n'
    for name in modules:
        title = name.rpartition('.')[2]
        text += f'\n{title}\n{"-" * len(title)}\n.. automodule:: {name}\n'
    return text


def qualify_references(app, doctree) -> None:
    """Give each reference of a docstring the name under which its object is documented.

    Docstrings use the names that are known where they stand, and those that packages export.
    Warns, which fails the build, of names that mean nothing there. What is private or another
    package's stays text.
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
    """Name under which an object is documented; None for values."""
    if inspect.ismodule(found):
        return found.__name__
    if hasattr(found, '__qualname__') and str(found.__module__).startswith(PACKAGE):
        return f'{found.__module__}.{found.__qualname__}'
    return None


def _look_up(target: str, module: str, owner: str | None) -> object | None:
    """Find what a name means in a class, its module, that module's package, or anywhere here."""
    places = [f'{module}.{owner}'] if owner else []
    places += [module, module.rpartition('.')[0], '', 'builtins', *_modules()]
    names = (f'{place}.{target}' if place else target for place in places)
    return next(filter(None, map(_find, names)), None)


@functools.cache
def _modules() -> list[str]:
    """All packages and modules."""
    return [name for package, modules in packages().items() for name in (package, *modules)]


@functools.cache
def _find(path: str) -> object | None:
    """Import the object that a dotted path names; None where there is none."""
    parts = path.split('.')
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module('.'.join(parts[:length]))
        except Exception:  # no such module, or one whose own imports fail
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None
