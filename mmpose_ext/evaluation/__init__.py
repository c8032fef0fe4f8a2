# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .torso_pck import TorsoPCK

__all__ = ['TorsoPCK']
