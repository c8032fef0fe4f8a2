# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Let old setup.py files run on Python 3.13: exec() in a function assigns to its locals().

Usage: PYTHONPATH=tools/old_setup_py pip wheel ...

From Python 3.13 on (PEP 667), exec() in a function assigns to a copy of the function's variables.
The setup.py of xtcocotools reads its version file with exec() and looks for ``__version__`` in
``locals()``, and therefore fails with a KeyError. Python imports this module when it starts.
"""

from __future__ import annotations

import builtins
import sys

_exec = builtins.exec


def exec_in_frame(code, *scopes, **named):
    """Run code like exec(), by default in the caller's own variables."""
    if not scopes and 'globals' not in named:
        caller = sys._getframe(1)
        scopes = (caller.f_globals, caller.f_locals)
    _exec(code, *scopes, **named)


builtins.exec = exec_in_frame
