# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands name flags where Python's errors name arguments."""

import pytest

from mmpose_ext.apps.pack.writer import ReplacePackError
from mmpose_ext.apps.shared.arguments import command_line_message, command_line_text
from mmpose_ext.apps.synthetic.folder import OccupiedFolderError
from mmpose_ext.datasets.pack import PackError
from mmpose_ext.utils.errors import ArgumentError, ArgumentText


@pytest.mark.parametrize(
    'error, message',
    [
        (ArgumentError('give {} and {}', 'ann_file', 'det_config'), 'give --ann and --det-config'),
        # errors of other classes, about files that are there already
        (
            OccupiedFolderError('{out} in the way: give {}', 'overwrite=True', out='a'),
            'a in the way: give --overwrite',
        ),
        (ReplacePackError('damaged: give {}', 'anew=True'), 'damaged: give --anew'),
        # a message of another error stays as it is, whatever it quotes
        (ValueError('column anew=True'), 'column anew=True'),
        (ValueError('overwrite is set'), 'overwrite is set'),
        # a text in a message, and an error of a function with other names
        (
            ArgumentError('nothing: {note}', note=ArgumentText('set {}', 'data_root')),
            'nothing: set --data-root',
        ),
        (
            ArgumentError('{} and {}', 'category', 'device').renamed(category='det_category'),
            '--det-category and --device',
        ),
        # the system's errors come without their numbers
        (FileNotFoundError(2, 'No such file', 'a.json'), 'a.json: No such file'),
        (OSError(28, 'cannot write a.json'), 'cannot write a.json'),
        (OSError('no number'), 'no number'),
    ],
)
def test_message(error, message):
    assert command_line_message(error) == message


def test_texts():
    note = ArgumentText('set {}', 'ann_file')
    assert note == 'set ann_file' and command_line_text(note) == 'set --ann'
    assert command_line_text('set ann_file') == 'set ann_file'


def test_classes_and_pythons_messages_are_those_of_files():
    with pytest.raises(FileExistsError, match='^a in the way: give overwrite=True$') as caught:
        raise OccupiedFolderError('{out} in the way: give {}', 'overwrite=True', out='a')
    assert isinstance(caught.value, OSError)
    with pytest.raises(PackError, match='^damaged: give anew=True$'):
        raise ReplacePackError('damaged: give {}', 'anew=True')
