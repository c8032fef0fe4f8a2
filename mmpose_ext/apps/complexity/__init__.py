# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .counting import Complexity, complexity_of_config, count_complexity

__all__ = ['Complexity', 'complexity_of_config', 'count_complexity']
