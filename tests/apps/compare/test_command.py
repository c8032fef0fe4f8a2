# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The command trains what is missing, tells other options apart and names flags in errors."""

from pathlib import Path

import pytest
from stand_ins import command, fake_tools, write_config

from mmpose_ext.apps.compare import cli, runs
from mmpose_ext.apps.compare.finished import read_finished
from mmpose_ext.apps.compare.runs import digest_of_config
from mmpose_ext.apps.complexity import Complexity, complexity_of_config


def test_the_command_goes_on_elsewhere(tmp_path, monkeypatch, capsys):
    """Another work directory takes the finished runs from the file and trains only the new ones."""
    calls = []
    monkeypatch.setattr(runs, '_call', fake_tools(calls))
    monkeypatch.setattr(cli, 'complexity_of_config', lambda *config: (Complexity(1, 1, 1), (2, 2)))
    a, b = write_config(tmp_path / 'a.py'), write_config(tmp_path / 'b.py', kind='B')
    shared = tmp_path / 'shared.jsonl'
    assert command(a, '--work-dir', tmp_path / 'one', '--seeds', 0, '--finished', shared) == 0
    assert len(calls) == 2
    both = [a, a, b, '--work-dir', tmp_path / 'two', '--seeds', 0, 1, '--finished', shared]
    assert command(*both) == 0
    assert [(run.name, run.seed) for run in read_finished(shared)] == [
        ('a', 0), ('a', 1), ('b', 0), ('b', 1),
    ]  # fmt: skip
    assert len(calls) == 8 and not (tmp_path / 'two' / 'a' / 'seed0').exists()
    assert read_finished(shared)[0].seconds == 3
    assert (
        '| b | 0.00 | 0.00 | 0 | 1 | 2 | 50.0 | 0.0 | +0.0 (+0.0 to +0.0) |'
        in (tmp_path / 'two' / 'comparison.md').read_text()
    )
    # a config changes with its model, not with the test's settings or the data's place
    a.write_text(a.read_text().replace('val_interval = 1', 'val_interval = 2'))
    assert command(*both, '--report-only') == 0
    write_config(a, kind='C')
    capsys.readouterr()
    assert command(*both, '--report-only') == 2
    assert 'has runs of another version of' in capsys.readouterr().err
    assert len(calls) == 8


def test_options_count(tmp_path, monkeypatch, capsys):
    """Runs with other options are other runs, unless the options only say where the data are."""
    calls, options = [], []
    monkeypatch.setattr(runs, '_call', fake_tools(calls))
    monkeypatch.setattr(
        cli,
        'complexity_of_config',
        lambda path, given: (options.append(given), (Complexity(1, 1, 1), (2, 2)))[1],
    )
    base = [write_config(tmp_path / 'a.py'), '--work-dir', tmp_path / 'runs', '--seeds', 0]
    place = ['--cfg-options', 'train_dataloader.dataset.data_root=/data/', 'fast_data.pack=/p']
    assert command(*base) == command(*base, *place) == 0
    assert len(calls) == 2
    capsys.readouterr()
    assert command(*base, '--cfg-options', 'train_cfg.max_epochs=1', 'model.head.channels=3') == 2
    assert capsys.readouterr().err == (
        f'No comparison: {tmp_path}/runs/finished.jsonl has runs of another version of '
        f'{tmp_path}/a.py, or with other settings by --cfg-options: remove their lines, or name '
        'another file by --finished\n'
    )
    assert len(calls) == 2
    # the table's costs are those of the model that was trained
    assert options[-1] == {'train_cfg.max_epochs': 1, 'model.head.channels': 3}


@pytest.mark.parametrize(
    'options, same',
    [
        (['train_dataloader.batch_size=2'], True),  # the file's own
        (['train_dataloader.num_workers=8', 'test_dataloader.num_workers=8'], True),
        (['train_dataloader.dataset.data_prefix.img=/images'], True),
        (['val_cfg.fp16=True', 'default_hooks.checkpoint.interval=5', 'work_dir=x'], True),
        (['train_dataloader.batch_size=4'], False),
        (['train_dataloader.dataset.ann_file=more.json'], False),
        (['model.type=B'], False),
        (['train_cfg.max_epochs=1'], False),
        # not hashed of the file, but they change the result
        (['load_from=epoch_1.pth'], False),
        (['test_evaluator.thr=0.5'], False),
        (['custom_hooks=[1,2]'], False),
    ],
)
def test_what_counts_of_options(tmp_path, options, same):
    config = write_config(tmp_path / 'c.py')
    assert (digest_of_config(config, options) == digest_of_config(config)) == same
    assert digest_of_config(config, [*options, 'log_level=DEBUG']) == digest_of_config(
        config, options
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nofile.py'], 'config nofile.py does not exist: give the path of a .py file'),
        (['.'], 'config . is a folder: give the path of a .py file'),
        (['bad.py'], 'config bad.py cannot be read: SyntaxError: '),
        (['c.py', 'sub/c.py'], 'two configs have the same name: rename one'),
        (['c.py'], "config c.py has no 'codec': there is nothing to count"),
        (['c.py', '--jobs', '0'], '--jobs must be 1 or more, not 0'),
        (['c.py', '--threads', '0'], '--threads must be 1 or more, not 0'),
        (['c.py', '--seeds', '0', '-1'], '--seeds must be 0 to 4294967295, not -1'),
        (['c.py', '--cfg-options', 'model.type.x=1'], 'config c.py does not take --cfg-options: T'),
        (['m.py', '--finished', '.'], '.: Is a directory'),
        (['m.py', '--finished', 'c.py'], 'line 1 of c.py is not a finished run'),
        (['m.py', '--finished', 'list.json'], 'line 1 of list.json is not a finished run'),
        (['m.py', '--finished', 'image'], 'image holds no finished runs: it is not a text'),
        (['m.py', '--work-dir', 'c.py'], 'cannot write c.py/comparison.csv: Not a directory'),
        (['m.py', '--report-only'], "the baseline 'm' has no finished run"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, '_call', lambda *call: pytest.fail('a training was started'))
    Path('sub').mkdir()
    for name in ('c.py', 'sub/c.py'):
        write_config(Path(name))
    Path('m.py').write_text(
        "codec = dict(input_size=(8, 8))\nmodel = dict(type='BaseBackbone', backbone=dict())\n"
    )
    monkeypatch.setattr(cli, 'complexity_of_config', complexity_of_config)
    if arguments[0] == 'm.py':
        monkeypatch.setattr(cli, 'complexity_of_config', lambda *_: (Complexity(1, 1, 1), (8, 8)))
    Path('bad.py').write_text('model = (\n')
    Path('list.json').write_text('[]')
    Path('image').write_bytes(b'\xff\xd8')
    assert command('--work-dir', 'runs', *arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith('No comparison: ') and message in err
    assert err.count('\n') == 1 and not out


def test_malformed_options_are_refused(capsys):
    with pytest.raises(SystemExit, match='2'):
        command('c.py', '--work-dir', 'runs', '--cfg-options', 'model')
    assert "argument --cfg-options: 'model' is not KEY=VALUE" in capsys.readouterr().err
