# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What all other folders stand on; imports none of them."""
