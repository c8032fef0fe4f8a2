# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the API pages, one per public class or family of functions, and resolve references.

Public are the names in ``__all__`` of the packages that users import from: those that
``mmpose_ext.__all__`` names, and those of the commands. A page is titled by the name that you type.
The functions of one module share a page, and so do its exceptions.
"""

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
#: Modules that users import whole, mostly in a config's ``custom_imports``.
MODULES = (
    'mmpose_ext',
    'mmpose_ext.checked_coco',
    'mmpose_ext.cpu_launcher',
    'mmpose_ext.quiet',
    'mmpose_ext.safe_loading',
    'mmpose_ext.utils.mmdet_import',
)
ROLES_THAT_MUST_LEAD_SOMEWHERE = ('class', 'func', 'meth', 'mod', 'attr')
logger = logging.getLogger(__name__)


def public_names() -> dict[str, list[str]]:
    """Return the public classes and functions of all packages that have some."""
    found = {}
    for package in _public_packages(PACKAGE) + _public_packages(f'{PACKAGE}.apps'):
        module = importlib.import_module(package)
        names = [n for n in getattr(module, '__all__', ()) if _is_ours(getattr(module, n))]
        if names:
            found[package] = sorted(names, key=str.lower)
    return dict(sorted(found.items()))


def _public_packages(package: str) -> list[str]:
    """Return a package and those in it that its ``__all__`` names; all without an ``__all__``."""
    module = importlib.import_module(package)
    inner = [info.name for info in pkgutil.iter_modules(module.__path__) if info.ispkg]
    inner = [name for name in inner if name in getattr(module, '__all__', inner)]
    found = [package]
    for name in inner:
        found += _public_packages(f'{package}.{name}')
    return found


def _is_ours(found: object) -> bool:
    """Return whether an object is a class or function of this project."""
    is_named = inspect.isclass(found) or inspect.isfunction(found)
    return is_named and found.__module__.startswith(f'{PACKAGE}.')


def families(package: str, names: Sequence[str]) -> list[list[str]]:
    """Group a package's public names by page, in their order."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        found = getattr(importlib.import_module(package), name)
        if not inspect.isclass(found):
            key = (found.__module__, 'functions')
        elif issubclass(found, Exception):
            key = (found.__module__, 'exceptions')
        else:
            key = (name,)
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def pages() -> dict[str, str]:
    """Return the API pages by file name, without ``.rst``."""
    found, top = {}, []
    for package, names in public_names().items():
        shared = families(package, names)
        children = [f'{package}.{family[0]}' for family in shared]
        found[package] = _package_page(package, names, children)
        found.update({child: _page(package, family) for child, family in zip(children, shared)})
        top.append(package)
    for module in MODULES:
        found[module] = _titled(module, f'.. automodule:: {module}\n')
    text = (
        'Generated from the docstrings: the classes and functions that you import, by package, and '
        'the modules that you import whole.'
    )
    found['index'] = _titled('API', text, [*MODULES, *top], depth=1)
    return found


def write(folder: Path, has_api: bool = True) -> None:
    """Write the pages; unchanged files stay untouched, so Sphinx does not rebuild them."""
    folder.mkdir(exist_ok=True)
    found = pages() if has_api else {'index': _titled('API', 'Not in this build.\n')}
    for path in folder.glob('*.rst'):
        if path.stem not in found:
            path.unlink()
    for name, text in found.items():
        path = folder / f'{name}.rst'
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _package_page(package: str, names: Sequence[str], children: Sequence[str]) -> str:
    """Return a page with a package's docstring, its public names and links to their pages."""
    module = importlib.import_module(package)
    text = f'.. automodule:: {package}\n   :no-members:\n\n'
    for name in names:
        summary = inspect.cleandoc(getattr(module, name).__doc__ or '').partition('\n')[0]
        text += f'- :obj:`~{package}.{name}`: {summary}\n'
    return _titled(package, text, children, hidden=True)


def _page(package: str, family: Sequence[str]) -> str:
    """Return the page of a class, or of several functions or exceptions."""
    module = importlib.import_module(package)
    text = f'::\n\n   from {package} import {", ".join(family)}\n'
    for name in family:
        found = getattr(module, name)
        if found in _registered():
            text += f"\nIn a config: ``type='{name}'``.\n"
        kind = 'function'
        if inspect.isclass(found):
            kind = 'exception' if issubclass(found, Exception) else 'class'
        text += f'\n.. auto{kind}:: {package}.{name}\n'
    return _titled(', '.join(family), text)


@functools.lru_cache(maxsize=None)
def _registered() -> set[type]:
    """Return the classes that configs name by ``type``."""
    import mmpose.registry
    from mmengine.registry import Registry

    registries = [value for value in vars(mmpose.registry).values() if isinstance(value, Registry)]
    return {entry for registry in registries for entry in registry.module_dict.values()}


def _titled(
    title: str, text: str, children: Sequence[str] = (), depth: int = 2, hidden: bool = False
) -> str:
    """Return a page with a title, a text and links to the pages below it."""
    page = f'{title}\n{"=" * len(title)}\n{text}'
    if children:
        options = f'   :maxdepth: {depth}\n' + '   :hidden:\n' * hidden
        page += f'\n\n.. toctree::\n{options}\n' + ''.join(f'   {child}\n' for child in children)
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
    """Return the name under which an object is documented or, without a page, defined.

    None for values.
    """
    if inspect.ismodule(found):
        return found.__name__
    if not hasattr(found, '__qualname__') or not str(found.__module__).startswith(PACKAGE):
        return None
    owner, _, member = found.__qualname__.partition('.')
    path = f'{found.__module__}.{owner}'
    return '.'.join(filter(None, [_public_paths().get(path, path), member]))


@functools.lru_cache(maxsize=None)
def _public_paths() -> dict[str, str]:
    """Return the names that users type, by the names under which the objects are defined."""
    paths = {}
    for package, names in public_names().items():
        for name in names:
            found = getattr(importlib.import_module(package), name)
            paths.setdefault(f'{found.__module__}.{found.__qualname__}', f'{package}.{name}')
    return paths


def _look_up(target: str, module: str, owner: str | None) -> object | None:
    """Look a name up in a class, its module, that module's package and then all modules.

    Args:
        target (str): The name, dotted or not.
        module (str): The module of the entry whose docstring has the reference.
        owner (str, optional): The class of that entry.
    """
    places = []
    if owner:  # of a class with a page, the module that defines it
        found = _find(f'{module}.{owner}')
        module = getattr(found, '__module__', module)
        places.append(f'{module}.{owner}')
    places += [module, module.rpartition('.')[0], '', 'builtins', *_modules()]
    names = (f'{place}.{target}' if place else target for place in places)
    return next(filter(None, map(_find, names)), None)


@functools.lru_cache(maxsize=None)
def _modules() -> list[str]:
    """Return the names of all packages and modules."""
    root = importlib.import_module(PACKAGE)
    inner = pkgutil.walk_packages(root.__path__, f'{PACKAGE}.')
    return [PACKAGE, *sorted(info.name for info in inner)]


@functools.lru_cache(maxsize=None)
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
