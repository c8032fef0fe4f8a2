# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Report faults in the training data in the log before training starts."""

from __future__ import annotations

import os

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS

from mmpose_ext.datasets.validation import DEPTHS, DataError, Report, validate

from .evaluation_checks import check_evaluation, coco_style_datasets

STOPS = ('never', 'error', 'warning')


@HOOKS.register_module()
class ValidateDataHook(Hook):
    """Validate the annotation files of the training data and log one summary per file.

    Faults that would stop the first validation already stop training before its first step, and
    testing before its first image (:func:`.evaluation_checks.check_evaluation`).

    The main process reads each file once more when training starts, which takes about 10 s for COCO
    train2017. All findings are listed by annotation id in ``data_faults_N.json`` in the run's log
    folder. Data sets inside wrappers (``ConcatDataset``, ``RepeatDataset``, ``CombinedDataset``)
    are validated too; data sets that are not in COCO's or MPII's format are skipped.

    Args:
        depth (str): ``'annotations'``, ``'files'``, ``'headers'`` or ``'images'``, as for
            :func:`mmpose_ext.datasets.validation.validate`. Defaults to 'files'.
        stop_on (str): ``'error'`` or ``'warning'`` stops training on findings of at least this
            severity; ``'never'`` leaves it to the data sets, which refuse unusable annotations.
            Defaults to 'never'.
        workers (int, optional): Threads that read images. Defaults to the number of processors, but
            at most 16.

    Raises:
        DataError: As ``stop_on`` says, and if annotations cannot be evaluated.
    """

    priority = 'VERY_LOW'

    def __init__(
        self, depth: str = 'files', stop_on: str = 'never', workers: int | None = None
    ) -> None:
        if depth not in DEPTHS or stop_on not in STOPS:
            raise ValueError(
                f'ValidateDataHook: depth {depth!r}, stop_on {stop_on!r}: give one of {DEPTHS}, '
                f'of {STOPS}'
            )
        self.depth, self.stop_on, self.workers = depth, stop_on, workers
        self._checked = False

    def before_train(self, runner: Runner) -> None:
        """Check the files that validation needs, and validate each training file once."""
        check_evaluation(runner.val_loop)
        self._checked = True
        self._validate_training_data(runner)

    def before_val(self, runner: Runner) -> None:
        """Check the files that the evaluation needs."""
        if not self._checked:  # before_train has not checked them
            check_evaluation(runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Check the files that the evaluation needs."""
        check_evaluation(runner.test_loop)

    @master_only
    def _validate_training_data(self, runner: Runner) -> None:
        done = set()
        for dataset in coco_style_datasets(runner.train_dataloader.dataset):
            key = dataset.ann_file, dataset.data_prefix.get('img', '')
            if key in done:
                continue
            done.add(key)
            report = validate(
                *key,
                depth=self.depth,
                num_keypoints=dataset.metainfo.get('num_keypoints'),
                keypoint_names=[*dataset.metainfo.get('keypoint_id2name', {}).values()],
                workers=self.workers,
            )
            if 'format' in {finding.kind for finding in report.findings}:
                runner.logger.info(f'Not validated: {key[0]} is not in COCO or MPII format')
                continue
            self._tell(runner, report, len(done))

    def _tell(self, runner: Runner, report: Report, number: int) -> None:
        if not report.findings:
            runner.logger.info(f'Training data {report.headline()}')
            return
        path = os.path.join(runner.log_dir, f'data_faults_{number}.json')
        report.write(path)
        lines = [f'Training data {report.headline()}', *report.summary(), f'All of them: {path}']
        has_errors = not report.is_ok()
        (runner.logger.warning if has_errors else runner.logger.info)('\n  '.join(lines))
        if self.stop_on != 'never' and not report.is_ok(strict=self.stop_on == 'warning'):
            raise DataError(
                f'training data {report.headline()}. They are listed in {path}; correct them, or '
                "set ValidateDataHook.stop_on='never'"
            )
