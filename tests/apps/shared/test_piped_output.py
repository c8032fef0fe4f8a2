# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

import json
import logging
import os
import runpy
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout

import pytest

from mmpose_ext.apps.main import main
from mmpose_ext.apps.shared.piped_output import READER_IS_GONE, piped_output


@contextmanager
def broken_output():
    """Replace the standard output by one whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, 'w', buffering=1)
    with redirect_stdout(stream):
        yield
        assert sys.stdout is stream
    stream.close()  # what is in its buffer does not fail either


def many_faults(folder):
    """Write a keypoint file with thousands of faults."""
    person = dict(image_id=9, category_id=1, bbox=[0, 0, 1, 1], keypoints=[1, 1, 7] * 17)
    people = [dict(person, id=number) for number in range(4000)]
    category = dict(id=1, name='person', keypoints=[str(k) for k in range(17)], skeleton=[])
    (folder / 'people.json').write_text(
        json.dumps(dict(images=[], annotations=people, categories=[category]))
    )
    return folder / 'people.json'


@pytest.mark.parametrize('arguments', [['--help'], ['validate', '--help'], None])
def test_commands_end_quietly(capfd, tmp_path, arguments):
    arguments = arguments or ['validate', str(many_faults(tmp_path)), '--limit=0']
    with broken_output(), pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == READER_IS_GONE
    assert capfd.readouterr().err == ''


def test_closed_streams_stay_closed(monkeypatch, tmp_path, capfd):
    """``mmpose-ext validate FILE >&-`` starts without a standard output."""
    monkeypatch.setattr(sys, 'stdout', None)
    assert main(['validate', str(many_faults(tmp_path))]) == 1
    monkeypatch.setattr(sys, 'stderr', None)
    assert main(['validate', str(many_faults(tmp_path))]) == 1
    assert sys.stdout is sys.stderr is None
    assert capfd.readouterr().out == ''


def test_scripts_end_quietly(monkeypatch, root, capfd):
    config = root / 'configs' / 'demo' / 'attention_resnet18_128x96.py'
    monkeypatch.setattr(sys, 'argv', ['complexity.py', str(config)])
    with broken_output(), pytest.raises(SystemExit) as ended:
        runpy.run_path(str(root / 'tools' / 'complexity.py'), run_name='__main__')
    assert ended.value.code == READER_IS_GONE
    assert 'Traceback' not in capfd.readouterr().err


def test_every_script_that_prints_results_does_so(root):
    scripts = [path.read_text() for path in (root / 'tools').glob('*.py')]
    importing = [text for text in scripts if '\nfrom mmpose_ext' in text]
    assert len(importing) >= 5
    assert all('    with piped_output():\n        main()' in text for text in importing)


def test_no_handler_takes_it_for_a_failed_file(capfd):
    with broken_output(), pytest.raises(SystemExit), piped_output():
        try:
            print('line')
        except OSError:
            pytest.fail('taken for an error of a file')
    logger = logging.Logger('piped')
    with broken_output(), pytest.raises(SystemExit), piped_output():
        logger.addHandler(logging.StreamHandler(sys.stdout))
        logger.error('line')
    assert capfd.readouterr().err == ''


def test_other_pipes_and_errors_are_told(capsys):
    with pytest.raises(BrokenPipeError), piped_output():
        raise BrokenPipeError("a worker's pipe")
    with pytest.raises(SystemExit) as ended, piped_output():
        print('out')
        raise SystemExit(3)
    assert ended.value.code == 3 and capsys.readouterr().out == 'out\n'


def test_head_in_a_shell(tmp_path):
    command = f'{sys.executable} -m mmpose_ext.apps.main validate "$0" --limit 0 | head -n 1'
    file = many_faults(tmp_path)
    shell = ['bash', '-c', f'set -o pipefail; {command}', str(file)]
    result = subprocess.run(shell, capture_output=True, text=True)
    assert result.stderr == '' and len(result.stdout.splitlines()) == 1
    assert result.returncode == READER_IS_GONE
