# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A checkpoint hook that always leaves at least one complete checkpoint."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, save_checkpoint
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.checkpoint import _load_checkpoint
from mmpose.registry import HOOKS

from mmpose_ext.utils.atomic_files import ATOMIC_BACKEND, remove_leftovers, write_atomically
from mmpose_ext.utils.quiet import quiet_log

from .last_checkpoint import LAST_CHECKPOINT, repair_last_checkpoint


class _RemovalsLater:
    """A file backend that delays removals until :meth:`carry_out`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._waiting: list[tuple[Callable[[str], None], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append((self._backend.remove, path))

    def rmtree(self, path: str) -> None:
        self._waiting.append((self._backend.rmtree, path))

    def carry_out(self, keep: list[str], folder: str) -> None:
        """Remove the delayed files of ``folder`` not in ``keep``; other runs' files stay."""
        for remove, path in self._waiting:
            if path not in keep and os.path.dirname(path) == folder and self._backend.exists(path):
                remove(path)


@contextmanager
def _advise_resuming() -> Iterator[None]:
    """Say what to do after a failed write, in a ``with`` block."""
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)
        advice = 'Files written earlier are complete: continue with --resume'  # of mim train
        raise OSError(error.errno, f'{text}. {advice}') from error


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` for machines that crash, disks that fill up and ``kill -9``.

    Arguments, file names and contents are the same. The differences:

    - Checkpoints, best checkpoints, published ones and ``last_checkpoint`` are written under a
      temporary name, synced and renamed, so there is never half a file under the final name.
      Temporary files of a killed process are removed when training starts.
    - Old checkpoints are removed only after the new one and ``last_checkpoint`` are complete, so
      the disk needs space for one more than ``max_keep_ckpts``.
    - ``--resume`` without a file continues from the newest complete checkpoint if
      ``last_checkpoint`` is missing, empty or names an incomplete one.
    - A run that was killed between saving and validating an epoch validates it when it resumes, so
      ``save_best`` and plateau schedulers get the same metrics as in an undisturbed run.

    Checkpoints on a remote store (``out_dir='s3://...'``) are written by the store's own backend.

    Args:
        validate_on_resume (bool): Whether the last point above applies. Defaults to True.
        **kwargs: See mmengine's ``CheckpointHook``.

    Raises:
        OSError: If a file cannot be written; the message gives the file, the reason and what to do.
        KeyError: If ``save_best`` names a metric that the evaluator does not give.
        UnreadableCheckpointError: On ``--resume``, if ``last_checkpoint`` is unusable and there is
            no complete checkpoint.
    """

    backend_args: dict | None
    file_backend: Any

    def __init__(self, validate_on_resume: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validate_on_resume = validate_on_resume
        is_local = self.out_dir is None or '://' not in str(self.out_dir)
        self._writes_locally = (
            is_local and self.backend_args is None and self.file_client_args is None
        )
        if self._writes_locally:
            self.backend_args = dict(backend=ATOMIC_BACKEND)

    def before_run(self, runner: Runner) -> None:
        """Repair ``last_checkpoint`` before an automatic ``--resume`` reads it."""
        resumes_by_itself = runner._resume and runner._load_from is None
        trains = isinstance(runner._train_loop, BaseLoop)
        if not (resumes_by_itself and trains and self._writes_locally):
            return
        if is_main_process():
            repaired = repair_last_checkpoint(
                runner.work_dir, self._folders(runner), self.filename_tmpl
            )
            if repaired:
                runner.logger.warning(repaired)
        barrier()

    def before_train(self, runner: Runner) -> None:
        """Clean up after a killed run and make up for a validation that it missed."""
        with quiet_log():
            super().before_train(runner)
        if is_main_process() and self._writes_locally:
            for folder in {str(self.out_dir), runner.work_dir}:
                if removed := remove_leftovers(folder):
                    runner.logger.warning(f'Removed half-written files in {folder}: {removed}')
            self._remove_outdated(runner.message_hub.runtime_info)
        if self.validate_on_resume and self._missed_validation(runner):
            runner.logger.info(f'Validating epoch {runner.epoch}, iteration {runner.iter} again')
            # Without this the parent does not save the checkpoint again when the best one changes.
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Record the validation in the message hub and save the best checkpoint."""
        runner.message_hub.update_info('validated_iter', runner.iter)
        super().after_val_epoch(runner, metrics)

    @_advise_resuming()
    @quiet_log()
    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = self._note_kept_steps(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            record = os.path.join(runner.work_dir, LAST_CHECKPOINT)
            write_atomically(record, os.fsencode(self.last_ckpt))
            self._remove_steps(outdated)

    @_advise_resuming()
    @quiet_log()
    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        wanted = [key for key in self.save_best or [] if key != 'auto']
        if unknown := [key for key in wanted if key not in metrics]:
            raise KeyError(
                f'default_hooks.checkpoint.save_best names {unknown}, but the evaluator gives '
                f'{sorted(metrics)}'
            )
        runner.message_hub.update_info('outdated_best_ckpts', self._best_paths())
        backend = self.file_backend
        self.file_backend = delayed = _RemovalsLater(backend)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend = backend
        delayed.carry_out(keep=self._best_paths(), folder=str(self.out_dir))

    @_advise_resuming()
    @quiet_log()
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        if not is_main_process():
            return
        checkpoint = _load_checkpoint(ckpt_path)
        published = {key: checkpoint[key] for key in checkpoint if key in self.published_keys}
        digest = hashlib.sha256(pickle.dumps(published)).hexdigest()
        path = f'{os.path.splitext(ckpt_path)[0]}-{digest[:8]}.pth'
        save_checkpoint(published, path, backend_args=self.backend_args)
        runner.logger.info(f'The checkpoint {ckpt_path} is published to {path}')

    def _note_kept_steps(self, runner: Runner, step: int) -> list[int]:
        """Update the steps that ``max_keep_ckpts`` keeps; return those to remove after saving.

        Both lists are saved in the checkpoint: a run that is killed before it removes the outdated
        ones removes them when it resumes.
        """
        if self.max_keep_ckpts <= 0:
            return []
        outdated = runner.message_hub.runtime_info.get('outdated_ckpt_ids', [])
        if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
            kept = [*self.keep_ckpt_ids, step]
            outdated = kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        runner.message_hub.update_info('outdated_ckpt_ids', outdated)
        return outdated

    def _remove_outdated(self, runtime_info: dict) -> None:
        """Remove the checkpoints that the run was about to remove when it was killed."""
        self._remove_steps(runtime_info.get('outdated_ckpt_ids', []))
        best = {os.path.basename(path) for path in self._best_paths()}
        before = {os.path.basename(path) for path in runtime_info.get('outdated_best_ckpts', [])}
        self._remove(before - best)

    def _remove_steps(self, steps: Iterable[int]) -> None:
        self._remove(self.filename_tmpl.format(int(step)) for step in steps)

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):
                self.file_backend.rmtree(path)

    def _best_paths(self) -> list[str]:
        several = getattr(self, 'best_ckpt_path_dict', {})
        paths = [*several.values(), getattr(self, 'best_ckpt_path', None)]
        return [str(path) for path in paths if path is not None]

    def _folders(self, runner: Runner) -> list[str]:
        """Return this run's checkpoint folders, even before ``before_train`` sets the path."""
        if self.out_dir is None:
            return [runner.work_dir]
        name = os.path.basename(runner.work_dir.rstrip(os.sep))
        return [os.path.join(self.out_dir, name), runner.work_dir]

    @staticmethod
    def _missed_validation(runner: Runner) -> bool:
        """Return whether training resumes from a checkpoint that still has to be validated."""
        loop = runner.train_loop
        if runner.val_loop is None or runner.iter == 0:
            return False
        if runner.message_hub.runtime_info.get('validated_iter') == runner.iter:
            return False
        loop._decide_current_val_interval()
        by_epoch = loop.max_epochs > 1 or runner.epoch > 0
        step, last = (runner.epoch, loop.max_epochs) if by_epoch else (runner.iter, loop.max_iters)
        return step >= loop.val_begin and (step % loop.val_interval == 0 or step == last)
