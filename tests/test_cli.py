# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest

from mmpose_ext.apps.main import COMMANDS, main


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['no-such-command'])
    assert 'invalid choice' in capsys.readouterr().err


def test_synthetic(tmp_path):
    arguments = ['--train', '2', '--val', '1', '--people', '1', '2', '--quiet', '--workers', '1']
    assert main(['synthetic', '--out', str(tmp_path / 'data'), *arguments]) == 0
    assert len(list((tmp_path / 'data' / 'train').glob('*.jpg'))) == 2
