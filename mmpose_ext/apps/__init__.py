# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The code behind the commands.

Most commands have a folder with the command line (``cli.py``) and the code that it runs. ``look``
holds three commands, and ``validate`` only a command line, whose checks are in
:mod:`mmpose_ext.datasets.validation`. The scripts in ``tools/`` run ``complexity``, ``convert_lsp``
and ``small_people``, and several commands use ``shared``.
"""
