# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The command ``mmpose-ext validate``; the checks are in :mod:`mmpose_ext.datasets.validation`."""
