# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Cut people out of images once, for training."""

from .checking import check_pack
from .job import PackJob, plan_packs
from .writer import fill_pack, prepare_pack

__all__ = ['PackJob', 'check_pack', 'fill_pack', 'plan_packs', 'prepare_pack']
