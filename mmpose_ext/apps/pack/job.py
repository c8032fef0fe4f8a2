# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What a pack is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmpose_ext.datasets.pack import Reach


@dataclass
class PackJob:
    """One pack to write.

    Attributes:
        path (Path): Path of the pack.
        dataset (Dataset): The data set with its people.
        reach (Reach): The reach of all pipelines that use it.
    """

    path: Path
    dataset: Any
    reach: Reach
