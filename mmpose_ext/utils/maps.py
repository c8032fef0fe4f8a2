# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The type of the maps that networks predict and that codecs draw and decode."""

from __future__ import annotations

from typing import Dict

from torch import Tensor

#: Maps by name, each (B, C, h, w); the names are the codec's.
Maps = Dict[str, Tensor]
