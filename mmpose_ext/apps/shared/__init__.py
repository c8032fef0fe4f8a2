# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Code that several commands share."""
