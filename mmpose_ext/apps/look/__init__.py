# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pictures of samples, training curves and worst cases (see docs/look.md)."""
