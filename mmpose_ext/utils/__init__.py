# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Helpers that all other folders use. This folder imports none of them."""
