# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sphinx settings of the documentation (`make docs`). `-t no_api` leaves the API pages out."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import api_pages  # noqa: E402

project = 'mmpose-ext'
author = 'mmpose-ext contributors'

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
exclude_patterns = ['images', 'results']
html_theme = 'furo'
html_title = project
html_show_copyright = False

myst_heading_anchors = 3  # '#a-heading', as on a code host

autodoc_member_order = 'bysource'
autodoc_inherit_docstrings = False  # mmpose's and mmdet's have no pages here
autodoc_default_options = {
    'members': True,
    'ignore-module-all': True,  # a re-exported name has its entry where it is defined
    'show-inheritance': True,
}
napoleon_use_ivar = True
napoleon_use_rtype = False


def setup(app) -> None:
    """Write the API pages before Sphinx reads the sources, and resolve docstrings' references."""
    has_api = 'no_api' not in app.tags
    if has_api:
        _let_classes_show_random_methods()
    app.connect('builder-inited', lambda app: api_pages.write(Path(app.srcdir) / 'api', has_api))
    app.connect('doctree-read', api_pages.qualify_references)


def _let_classes_show_random_methods() -> None:
    """Let autodoc read methods with mmcv's ``cache_randomness``, which work on instances only."""
    from mmcv.transforms.utils import cache_randomness

    bind = cache_randomness.__get__
    cache_randomness.__get__ = lambda self, obj, cls=None: (
        self if obj is None else bind(self, obj, cls)
    )
