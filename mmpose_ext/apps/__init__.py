# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands: a folder each, its command line (``cli.py``) with what it runs."""
