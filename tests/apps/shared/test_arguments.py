# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands name flags where Python's errors name arguments."""

import pytest

from mmpose_ext.apps.shared.arguments import ArgumentError, command_line_message


@pytest.mark.parametrize(
    'error, message',
    [
        (ArgumentError('give {} and {}', 'ann_file', 'det_config'), 'give --ann and --det-config'),
        # errors of other classes, about files that are there already
        (FileExistsError('in the way: give overwrite=True'), 'in the way: give --overwrite'),
        (ValueError('damaged: replace it with anew=True'), 'damaged: replace it with --anew'),
        (ValueError('overwrite is set'), 'overwrite is set'),
    ],
)
def test_message(error, message):
    assert command_line_message(error) == message
