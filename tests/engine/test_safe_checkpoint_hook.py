# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

import errno
import os

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmengine.runner import Runner, ValLoop
from mmpose.evaluation.metrics import EPE

from mmpose_ext.engine import SafeCheckpointHook, load_checkpoint_safely
from mmpose_ext.engine.last_checkpoint import is_complete_checkpoint
from mmpose_ext.utils.atomic_files import TEMPORARY_SUFFIX, AtomicLocalBackend

NUM_IMAGES = 6  # of tiny_data, two per step


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix in ('.pth', '.tmp')}


def hook_of(runner: Runner) -> SafeCheckpointHook:
    return next(hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook))


@pytest.fixture
def improving(monkeypatch):
    """Return metrics that improve much in each epoch, so that rounding does not decide."""
    measured = EPE.compute_metrics

    def compute(self, results):
        # iterations from 0; a resumed run's number is already that of the next one
        iterations = MessageHub.get_current_instance().get_info('iter') + 1
        epoch = round(iterations / (NUM_IMAGES / 2))
        return dict(EPE=measured(self, results)['EPE'] - 1000 * epoch)

    monkeypatch.setattr(EPE, 'compute_metrics', compute)


def test_same_files_as_mmengine(make_config, undisturbed, tmp_path, assert_same_end):
    config = make_config(**{'default_hooks.checkpoint.type': 'CheckpointHook'})
    Runner.from_cfg(config).train()
    theirs = tmp_path / 'work'
    assert names(undisturbed) == names(theirs)
    assert len(list(undisturbed.glob('epoch_*.pth'))) == 2  # max_keep_ckpts
    assert (undisturbed / 'last_checkpoint').read_text() == str(undisturbed / 'epoch_3.pth')
    for name in names(theirs):
        a, b = load_checkpoint_safely(undisturbed / name), load_checkpoint_safely(theirs / name)
        assert a.keys() == b.keys()
        for key, value in b['state_dict'].items():
            assert torch.equal(a['state_dict'][key], value)


def test_a_complete_checkpoint_is_on_record_at_every_removal(make_config, monkeypatch, tmp_path):
    removed = []
    original = AtomicLocalBackend.remove

    def remove(self, path):
        record = (tmp_path / 'work' / 'last_checkpoint').read_text()
        assert record != path and is_complete_checkpoint(record)
        removed.append(os.path.basename(path))
        original(self, path)

    monkeypatch.setattr(AtomicLocalBackend, 'remove', remove)
    Runner.from_cfg(make_config(**{'default_hooks.checkpoint.max_keep_ckpts': 1})).train()
    assert [name for name in removed if name.startswith('epoch')] == ['epoch_1.pth', 'epoch_2.pth']


@pytest.fixture
def trained_runner(make_config):
    """Return a runner after one epoch, to whose hook a test passes metrics."""
    config = make_config(**{'train_cfg.max_epochs': 1, 'val_evaluator': []})
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


def test_best_checkpoint(trained_runner, tmp_path):
    runner, hook, work = trained_runner, hook_of(trained_runner), tmp_path / 'work'
    hook.after_val_epoch(runner, dict(EPE=5.0))
    assert names(work) == {'epoch_1.pth', 'best_EPE_epoch_1.pth'}
    hook.after_val_epoch(runner, dict(EPE=4.0))  # the same epoch again has the same name
    assert names(work) == {'epoch_1.pth', 'best_EPE_epoch_1.pth'}
    runner.train_loop._epoch = 2
    hook.after_val_epoch(runner, dict(EPE=4.5))  # no better
    assert names(work) == {'epoch_1.pth', 'best_EPE_epoch_1.pth'}
    hook.after_val_epoch(runner, dict(EPE=3.0))
    assert names(work) == {'epoch_1.pth', 'epoch_2.pth', 'best_EPE_epoch_2.pth'}
    info = load_checkpoint_safely(work / 'epoch_2.pth')['message_hub']['runtime_info']
    assert info['best_score'] == 3.0 and info['best_ckpt'] == str(work / 'best_EPE_epoch_2.pth')


def test_old_best_stays_if_the_new_one_cannot_be_written(trained_runner, tmp_path, monkeypatch):
    runner, hook, work = trained_runner, hook_of(trained_runner), tmp_path / 'work'
    hook.after_val_epoch(runner, dict(EPE=5.0))
    runner.train_loop._epoch = 2
    monkeypatch.setattr(os, 'fsync', _disk_full)
    with pytest.raises(OSError, match='best_EPE_epoch_2.pth'):
        hook.after_val_epoch(runner, dict(EPE=4.0))
    assert names(work) == {'epoch_1.pth', 'best_EPE_epoch_1.pth'}
    assert is_complete_checkpoint(work / 'best_EPE_epoch_1.pth')


def test_several_best_metrics(make_config, tmp_path):
    config = make_config(**{'default_hooks.checkpoint.save_best': ['EPE', 'coco/AP']})
    config.default_hooks.checkpoint.rule = ['less', 'greater']
    Runner.from_cfg(config).train()
    best = {name.rsplit('_', 2)[0] for name in names(tmp_path / 'work') if name[0] == 'b'}
    assert best == {'best_EPE', 'best_coco_AP'}


def test_unknown_best_metric(make_config):
    config = make_config(**{'default_hooks.checkpoint.save_best': 'coco/AB'})
    with pytest.raises(KeyError, match=r"save_best names \['coco/AB'\].*coco/AP"):
        Runner.from_cfg(config).train()


def _disk_full(*args):
    raise OSError(errno.ENOSPC, 'No space left on device')


@pytest.mark.parametrize(
    'writes_before', [4, *(pytest.param(n, marks=pytest.mark.long) for n in (3, 5, 6, 7))]
)
def test_full_disk(
    make_config, resume, assert_same_end, undisturbed, tmp_path, monkeypatch, writes_before
):
    """The disk fills at each write of epochs 1 to 3 in turn; then there is space again."""
    config, work, written = make_config(), tmp_path / 'work', []
    original = AtomicLocalBackend.put

    def put(self, data, path):
        if len(written) >= writes_before:
            monkeypatch.setattr(os, 'fsync', _disk_full)
        written.append(path)
        original(self, data, path)

    monkeypatch.setattr(AtomicLocalBackend, 'put', put)
    runner = Runner.from_cfg(config)
    with pytest.raises(
        OSError,
        match=r'cannot write .*No space left.*; free at least .* complete: continue with --resume',
    ):
        runner.train()
    monkeypatch.undo()
    assert not list(work.glob(f'.*{TEMPORARY_SUFFIX}'))
    assert is_complete_checkpoint((work / 'last_checkpoint').read_text())
    assert all(is_complete_checkpoint(path) for path in work.glob('*.pth'))
    resume(config)
    assert_same_end(undisturbed, work)


def test_interrupted_validation_is_caught_up(
    make_config, run_until, resume, assert_same_end, undisturbed, tmp_path
):
    config = make_config()
    run_until(config, 'before_val_iter', lambda runner: runner.epoch == 3)
    resume(config)  # nothing left to train, but epoch 3 has no metrics yet
    assert_same_end(undisturbed, tmp_path / 'work')


@pytest.mark.parametrize(
    'validated_iter, enabled, runs',
    [
        (9, True, 0),  # saved after its validation
        (6, True, 1),  # saved before it
        (None, True, 1),  # saved by mmengine's hook
        (6, False, 0),
    ],
)
def test_validation_on_resume(
    make_config, undisturbed, tmp_path, monkeypatch, validated_iter, enabled, runs
):
    checkpoint = load_checkpoint_safely(undisturbed / 'epoch_3.pth')
    checkpoint['message_hub']['runtime_info'].update(validated_iter=validated_iter)
    torch.save(checkpoint, tmp_path / 'end.pth')
    config = make_config(load_from=str(tmp_path / 'end.pth'), resume=True)
    config.default_hooks.checkpoint.validate_on_resume = enabled
    calls = []
    monkeypatch.setattr(ValLoop, 'run', lambda self: calls.append(self))
    Runner.from_cfg(config).train()
    assert len(calls) == runs


def test_clean_up_at_start(make_config, run_until, resume, tmp_path):
    config, work = make_config(), tmp_path / 'work'
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 7)  # in epoch 3
    leftover = work / f'.epoch_3.pth.1{TEMPORARY_SUFFIX}'
    leftover.write_bytes(b'half')
    resume(config)
    assert not leftover.exists()


def test_removal_that_a_kill_prevented(make_config, run_until, resume, tmp_path, monkeypatch):
    config, work = make_config(**{'default_hooks.checkpoint.max_keep_ckpts': 1}), tmp_path / 'work'
    monkeypatch.setattr(AtomicLocalBackend, 'remove', lambda self, path: None)
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 7)
    assert {'epoch_1.pth', 'epoch_2.pth'} <= names(work)
    monkeypatch.undo()
    config.resume = True
    run_until(config, 'before_train_iter', bool)
    assert 'epoch_1.pth' not in names(work) and 'epoch_2.pth' in names(work)


def test_removal_of_the_best_that_a_kill_prevented(
    make_config, improving, resume, assert_same_end, tmp_path, monkeypatch
):
    Runner.from_cfg(make_config(tmp_path / 'undisturbed')).train()
    config, work, original = make_config(), tmp_path / 'work', AtomicLocalBackend.remove

    def remove(self, path):
        if 'best' in path:
            raise StopIteration  # instead of kill -9
        original(self, path)

    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(AtomicLocalBackend, 'remove', remove)
        Runner.from_cfg(config).train()
    assert {'best_EPE_epoch_1.pth', 'best_EPE_epoch_2.pth'} <= names(work)
    resume(config)
    assert_same_end(tmp_path / 'undisturbed', work)


def test_files_of_another_run_stay(make_config, improving, undisturbed, tmp_path):
    """A run resumed from another run's checkpoint does not remove that run's best checkpoint."""
    before = names(undisturbed)
    config = make_config(load_from=str(undisturbed / 'epoch_2.pth'), resume=True)
    Runner.from_cfg(config).train()
    assert names(undisturbed) == before
    assert 'best_EPE_epoch_3.pth' in names(tmp_path / 'work')


@pytest.mark.parametrize(
    'record', ['', *(pytest.param(r, marks=pytest.mark.long) for r in ('/gone/epoch_7.pth', None))]
)
def test_resume_without_a_good_record(
    make_config, run_until, resume, assert_same_end, undisturbed, tmp_path, record
):
    config, work = make_config(), tmp_path / 'work'
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 7)
    (work / 'last_checkpoint').unlink()
    if record is not None:
        (work / 'last_checkpoint').write_text(record)
    (work / 'epoch_3.pth').write_bytes((work / 'epoch_2.pth').read_bytes()[:1000])
    resume(config)
    assert_same_end(undisturbed, work)


def test_resume_with_nothing_starts_anew(
    make_config, resume, tmp_path, undisturbed, assert_same_end
):
    resume(make_config())
    assert_same_end(undisturbed, tmp_path / 'work')


def test_out_dir_and_published_keys(make_config, tmp_path):
    config = make_config(
        **{
            'default_hooks.checkpoint.out_dir': str(tmp_path / 'out'),
            'default_hooks.checkpoint.published_keys': ['meta', 'state_dict'],
        }
    )
    Runner.from_cfg(config).train()
    out = tmp_path / 'out' / 'work'
    record = (tmp_path / 'work' / 'last_checkpoint').read_text()
    assert record == str(out / 'epoch_3.pth')
    published = [path for path in out.iterdir() if '-' in path.name]
    assert len(published) == 2  # the last and the best
    for path in published:
        assert set(load_checkpoint_safely(path)) == {'meta', 'state_dict'}
    assert isinstance(SafeCheckpointHook(), CheckpointHook)
