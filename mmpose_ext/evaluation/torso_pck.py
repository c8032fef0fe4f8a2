# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Percentage of correct keypoints (PCK) relative to the torso, per joint, as reported for LSP."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from mmengine.logging import MMLogger
from mmpose.evaluation.functional import keypoint_pck_accuracy
from mmpose.evaluation.metrics import PCKAccuracy
from mmpose.registry import METRICS

from mmpose_ext.utils.atomic_files import write_atomically

GROUPS = {
    'Head': ('neck', 'head_top'),
    'Sho.': ('left_shoulder', 'right_shoulder'),
    'Elb.': ('left_elbow', 'right_elbow'),
    'Wri.': ('left_wrist', 'right_wrist'),
    'Hip': ('left_hip', 'right_hip'),
    'Knee': ('left_knee', 'right_knee'),
    'Ank.': ('left_ankle', 'right_ankle'),
}
#: A person's torso is the first of these pairs with both ends labeled.
TORSOS = (
    ('left_shoulder', 'right_hip'),
    ('right_shoulder', 'left_hip'),
    ('left_shoulder', 'left_hip'),
    ('right_shoulder', 'right_hip'),
)


@METRICS.register_module()
class TorsoPCK(PCKAccuracy):
    """PCK by torso for LSP, with the columns of the composite-localization paper's Table 4.

    A keypoint is correct within ``thr`` of its person's torso, the distance from left shoulder to
    right hip (the convention for LSP, as in the evaluation code of Wei et al. and Pishchulin et
    al.). If one of these is unlabeled, as in LSPET, the torso is the other diagonal, or else the
    distance from shoulder to hip on one side (12 % shorter in the median, so stricter). A person
    with none of these has no scale and does not count; the log gives their number. mmpose's
    PCKAccuracy and JhmdbPCKAccuracy use JHMDB's joints 4 and 5 for every data set.

    Only labeled keypoints count. Each column is the mean of its two keypoints' percentages, and
    ``PCK`` is the mean over all keypoints (in LSP the mean of the columns, as in Table 4).

    Args:
        thr (float): Fraction of the torso. Defaults to 0.2.
        out_file (str, optional): JSON file, written completely or not at all. For each person with
            a torso it holds the ``id`` (position in the data set) and how many keypoints are
            ``correct`` and ``labeled``.
        collect_device, prefix (str): See mmengine's BaseMetric. The default prefix is ``'lsp'``.
    """

    default_prefix = 'lsp'

    def __init__(
        self,
        thr: float = 0.2,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(thr, norm_item=[], collect_device=collect_device, prefix=prefix)
        self.out_file = out_file

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the percentages (0 to 100).

        Args:
            results (list[dict]): ``pred_coords`` and ``gt_coords`` (1, K, 2) in image pixels and
                ``mask`` (1, K), one dict per person.

        Returns:
            dict[str, float]: 'Head', 'Sho.', 'Elb.', 'Wri.', 'Hip', 'Knee', 'Ank.' and 'PCK'.

        Raises:
            ValueError: If the data set lacks the keypoints that a torso needs.
        """
        predicted, truth, mask = (
            np.concatenate([result[key] for result in results])
            for key in ('pred_coords', 'gt_coords', 'mask')
        )
        torso = np.zeros(len(truth))
        for ends in TORSOS:
            torso = np.where(torso > 0, torso, torso_size(truth, mask, self._ids(ends)))
        left_out = int((torso == 0).sum())
        if left_out:
            MMLogger.get_current_instance().info(
                f'TorsoPCK: {left_out} of {len(torso)} people have no labeled torso and do not '
                'count.'
            )
        if self.out_file:
            self._write_people(self.out_file, predicted, truth, mask, torso)
        # mmpose leaves out people whose norm factor is 0
        correct, *_ = keypoint_pck_accuracy(
            predicted[..., :2], truth[..., :2], mask, self.thr, np.stack([torso, torso], -1)
        )
        percent = np.where(correct >= 0, 100 * correct, np.nan)
        metrics = {name: _mean(percent[self._ids(names)]) for name, names in GROUPS.items()}
        metrics['PCK'] = _mean(percent)
        return metrics

    def _write_people(
        self,
        path: str,
        predicted: np.ndarray,
        truth: np.ndarray,
        mask: np.ndarray,
        torso: np.ndarray,
    ) -> None:
        distance = np.linalg.norm(predicted[..., :2] - truth[..., :2], axis=-1)
        correct = (distance < self.thr * torso[:, None]) & mask
        people = [
            dict(id=index, correct=int(right.sum()), labeled=int(labeled.sum()))
            for index, (right, labeled) in enumerate(zip(correct, mask))
            if torso[index] > 0
        ]
        write_atomically(path, json.dumps(people).encode())

    def _ids(self, names: Sequence[str]) -> list[int]:
        known = self.dataset_meta['keypoint_name2id']
        missing = [name for name in names if name not in known]
        if missing:
            raise ValueError(
                f'TorsoPCK: the data set {self.dataset_meta.get("dataset_name")!r} has no '
                f'keypoints {missing}. Use it with LspDataset, and MpiiPCKAccuracy with MPII.'
            )
        return [known[name] for name in names]


def torso_size(keypoints: np.ndarray, mask: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """Return the distance (N,) of two of the keypoints (N, K, 2); 0 unless both are labeled."""
    first, second = ends
    size = np.linalg.norm(keypoints[:, first, :2] - keypoints[:, second, :2], axis=-1)
    return np.where(mask[:, first] & mask[:, second], size, 0.0)


def _mean(percent: np.ndarray) -> float:
    """Return the mean over the keypoints that are labeled anywhere; NaN without any."""
    known = percent[~np.isnan(percent)]
    return float(known.mean()) if len(known) else float('nan')
