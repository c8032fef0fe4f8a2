# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's ``CocoMetric`` with one clear error for an annotation file that it cannot read."""

from __future__ import annotations

from typing import Any

from mmpose.evaluation.metrics import CocoMetric
from mmpose.registry import METRICS

from mmpose_ext.datasets.validation import (
    DataError,
    by_kind,
    check_for_evaluation,
    problem_text,
    read_json,
)


@METRICS.register_module()
class CheckedCocoMetric(CocoMetric):
    """``CocoMetric`` whose error names the annotation file, the fault and what to do.

    mmengine builds metrics before any hook runs. So ``ValidateDataHook`` cannot check a file that
    ``CocoMetric`` fails to read.

    Args:
        ann_file (str, optional): As for ``CocoMetric``.
        **kwargs: As for ``CocoMetric``.

    Raises:
        DataError: If the file is missing, is not JSON or does not have COCO's form.
    """

    def __init__(self, ann_file: str | None = None, **kwargs: Any) -> None:
        try:
            super().__init__(ann_file=ann_file, **kwargs)
        except Exception as error:  # a bad file causes many kinds
            if ann_file is not None:
                self._explain(ann_file, error, **kwargs)
            raise

    def _explain(
        self, ann_file: str, error: Exception, use_area: bool = True, **kwargs: Any
    ) -> None:
        """Raise DataError if the annotation file is the reason for an error."""
        setting = f'{type(self).__name__}: ann_file'
        content = read_json(ann_file, setting)
        findings = check_for_evaluation(content, None, use_area=use_area)
        if kwargs.get('format_only') or (isinstance(content, dict) and 'annotations' in content):
            # then nobody to evaluate does not stop the metric from being built
            findings = [finding for finding in findings if finding.kind != 'nothing-to-evaluate']
        if findings:
            problems = '; '.join(problem_text(group) for group in by_kind(findings))
            raise DataError(f'{setting} {ann_file} cannot be evaluated: {problems}') from error
