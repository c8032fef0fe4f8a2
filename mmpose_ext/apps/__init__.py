# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands: one folder each, with its command line (``cli.py``) and the code that it runs."""
