# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.evaluation.metrics import CocoMetric
from mmpose.structures import PoseDataSample

from mmpose_ext.apps.predict.instance_scoring import InstanceScoring
from mmpose_ext.utils.sequences import zip_equal

META = dict(sigmas=np.linspace(0.02, 0.1, 6), num_keypoints=6, dataset_name='six', CLASSES=[])


def make_samples(rng, bottomup, number=8):
    """Make people, some of which are nearly the same."""
    base = rng.uniform(0, 90, (3, 6, 2))
    keypoints = base[rng.integers(0, 3, number)] + rng.normal(0, 0.4, (number, 6, 2))
    scores = rng.uniform(0, 1, (number, 6)).astype(np.float32)
    scores[0] = 0.1  # nothing above the threshold
    box_scores = rng.uniform(0.2, 1, number).astype(np.float32)
    boxes = rng.uniform(0, 50, (number, 4))
    scales = rng.uniform(50, 90, (number, 2))
    if bottomup:
        found = InstanceData(keypoints=keypoints, keypoint_scores=torch.from_numpy(scores))
        return [PoseDataSample(pred_instances=found)]
    return [
        PoseDataSample(
            pred_instances=InstanceData(
                keypoints=keypoints[i : i + 1],
                keypoint_scores=scores[i : i + 1],
                bboxes=boxes[i : i + 1],
                bbox_scores=box_scores[i : i + 1],
            ),
            gt_instances=InstanceData(
                bbox_scales=scales[i : i + 1], bbox_scores=box_scores[i : i + 1]
            ),
        )
        for i in range(number)
    ]


def reference(samples, folder, **options):
    """Return what mmpose's CocoMetric writes."""
    metric = CocoMetric(format_only=True, outfile_prefix=str(folder / 'r'), **options)
    metric.coco = object()
    metric.dataset_meta = META
    for index, sample in enumerate(samples):
        record = dict(sample.to_dict(), img_id=1)
        record['id'] = index if len(samples) > 1 else [index]
        record['pred_instances'] = {
            key: np.asarray(value) for key, value in record['pred_instances'].items()
        }
        record.setdefault('gt_instances', {})
        metric.process([], [record])
    metric.compute_metrics(metric.results)
    return json.loads((folder / 'r.keypoints.json').read_text())


@pytest.mark.parametrize('bottomup', [False, True])
@pytest.mark.parametrize('nms_mode', ['oks_nms', 'soft_oks_nms', 'none'])
@pytest.mark.parametrize('score_mode', ['bbox', 'keypoint', 'bbox_rle', 'bbox_keypoint'])
def test_same_people_and_scores_as_coco_metric(score_mode, nms_mode, bottomup, tmp_path):
    samples = make_samples(np.random.default_rng(1), bottomup)
    options = dict(score_mode=score_mode, nms_mode=nms_mode, keypoint_score_thr=0.3, nms_thr=0.6)
    expected = reference(samples, tmp_path, **options)
    people = InstanceScoring(META['sigmas'], **options)(samples)
    assert len(people) == len(expected)
    assert (len(people) < 8) == (nms_mode == 'oks_nms')
    for person, other in zip_equal(people, expected):
        np.testing.assert_allclose(person.keypoints.ravel(), other['keypoints'], rtol=1e-6)
        assert person.score == pytest.approx(other['score'], rel=1e-6)
        assert (person.box is None) == bottomup


@pytest.mark.parametrize(
    'given', ['CocoMetric', 'mmpose.CocoMetric', 'CheckedCocoMetric', CocoMetric]
)
def test_settings_of_the_configs_evaluator(given):
    evaluators = [
        dict(type='NME'),
        dict(type=given, score_mode='bbox', nms_thr=0.5, use_area=False),
    ]
    cfg = Config(dict(test_evaluator=evaluators))
    scoring = InstanceScoring.from_config(cfg, META)
    assert (scoring.score_mode, scoring.nms_thr, scoring.nms_mode) == ('bbox', 0.5, 'oks_nms')


def test_defaults_are_those_of_coco_metric():
    scoring = InstanceScoring.from_config(Config(dict(test_evaluator=dict(type='TorsoPCK'))), META)
    metric = CocoMetric()
    for name in ('score_mode', 'keypoint_score_thr', 'nms_mode', 'nms_thr'):
        assert getattr(scoring, name) == getattr(metric, name)


def test_nobody():
    assert InstanceScoring(META['sigmas'])([]) == []
