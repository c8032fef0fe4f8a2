# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sphinx settings of the documentation: `make docs`. `-t no_api` leaves the API pages out."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

import api_pages  # noqa: E402

project = 'mmpose-ext'
author = 'mmpose-ext contributors'

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
exclude_patterns = ['images', 'results']
html_theme = 'furo'
html_title = project
html_show_copyright = False

myst_heading_anchors = 3  # '#a-heading', as on a code host

autodoc_member_order = 'bysource'
autodoc_inherit_docstrings = False  # those of mmpose and mmdet are no pages of this project
autodoc_default_options = {
    'members': True,
    'ignore-module-all': True,  # what a module hands on has its entry where it is defined
    'show-inheritance': True,
}
napoleon_use_ivar = True
napoleon_use_rtype = False


def setup(app) -> None:
    """Make the API pages before the sources are read; mend what docstrings refer to."""
    has_api = 'no_api' not in app.tags
    app.connect('builder-inited', lambda app: api_pages.write(Path(app.srcdir) / 'api', has_api))
    app.connect('doctree-read', api_pages.qualify_references)
