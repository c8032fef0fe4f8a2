# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train configs with several seeds and compare them person by person (``mmpose-ext compare``)."""

from .results import Comparison, compare
from .runs import Run, train_and_test

__all__ = ['Comparison', 'Run', 'compare', 'train_and_test']
