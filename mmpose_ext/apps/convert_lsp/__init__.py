# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .converter import convert_lsp

__all__ = ['convert_lsp']
