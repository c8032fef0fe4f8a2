# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json
import math

import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import METRICS

from mmpose_ext.datasets.body.lsp import LspDataset
from mmpose_ext.evaluation.torso_pck import GROUPS
from mmpose_ext.utils.sequences import zip_equal

META = parse_pose_metainfo(LspDataset.METAINFO)
IDS = META['keypoint_name2id']


def evaluate(predicted, truth, visible, **kwargs):
    metric = METRICS.build(dict(type='TorsoPCK', **kwargs))
    metric.dataset_meta = META
    samples = []
    for p, t, v in zip_equal(predicted, truth, visible):
        samples.append(
            dict(
                pred_instances=InstanceData(keypoints=p[None]).to_dict(),
                gt_instances=InstanceData(keypoints=t[None], keypoints_visible=v[None]).to_dict(),
            )
        )
    metric.process([], samples)
    return metric.evaluate(len(samples))


def plain(predicted, truth, visible, thr=0.2):
    right, total = dict.fromkeys(IDS, 0), dict.fromkeys(IDS, 0)
    for p, t, v in zip_equal(predicted, truth, visible):
        torso = 0
        sides = ('left', 'right')
        for one, two in ((1, 1), (0, 0), (1, 0), (0, 1)):  # the best choice last
            a, b = f'{sides[one]}_shoulder', f'{sides[two]}_hip'
            if v[IDS[a]] and v[IDS[b]]:
                torso = math.dist(t[IDS[a]], t[IDS[b]])
        for name, i in IDS.items():
            if torso and v[i]:
                total[name] += 1
                right[name] += math.dist(p[i], t[i]) / torso < thr
    percent = {name: 100 * right[name] / total[name] for name in IDS}
    table = {group: np.mean([percent[n] for n in names]) for group, names in GROUPS.items()}
    return dict(table, PCK=np.mean(list(percent.values())))


def people(number=60, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 100, (number, 14, 2))
    visible = (rng.uniform(size=(number, 14)) > 0.25).astype(np.float32)
    return truth + rng.normal(0, 8, truth.shape), truth, visible


@pytest.mark.parametrize('thr', [0.1, 0.2])
def test_equals_the_plain_reference(thr):
    predicted, truth, visible = people()
    result = evaluate(predicted, truth, visible, thr=thr)
    expected = plain(predicted, truth, visible, thr)
    assert list(result) == [f'lsp/{name}' for name in (*GROUPS, 'PCK')]
    for name, value in expected.items():
        assert result[f'lsp/{name}'] == pytest.approx(value), name


def test_columns_are_those_of_table_4():
    _, truth, _ = people()
    predicted = truth.copy()
    predicted[:, IDS['left_wrist']] += 1e3
    result = evaluate(predicted, truth, np.ones((60, 14)))
    assert result['lsp/Wri.'] == 50 and result['lsp/Ank.'] == 100
    assert result['lsp/PCK'] == pytest.approx(100 * 13 / 14)
    columns = [result[f'lsp/{name}'] for name in GROUPS]
    assert result['lsp/PCK'] == pytest.approx(np.mean(columns))


def test_people_without_a_torso_do_not_count():
    predicted, truth, visible = people(2)
    visible[:] = 1
    visible[1, [IDS[name] for name in ('left_shoulder', 'right_shoulder')]] = 0
    predicted = truth.copy()
    predicted[1] += 1e3
    assert evaluate(predicted, truth, visible)['lsp/PCK'] == 100


def test_keypoints_never_labeled_do_not_count():
    predicted, truth, visible = people(4)
    visible[:] = 1
    visible[:, [IDS['neck'], IDS['head_top']]] = 0
    result = evaluate(truth, truth, visible)
    assert math.isnan(result['lsp/Head']) and result['lsp/PCK'] == 100


def test_other_data_sets_are_refused():
    metric = METRICS.build(dict(type='TorsoPCK'))
    metric.dataset_meta = dict(dataset_name='hand', keypoint_name2id=dict(wrist=0))
    ones = np.ones((1, 1, 2))
    with pytest.raises(ValueError, match="'hand' has no keypoints"):
        metric.compute_metrics([dict(pred_coords=ones, gt_coords=ones, mask=np.ones((1, 1), bool))])


def test_people_are_written(tmp_path):
    """The sums over the people in the file are those of the metric, keypoint by keypoint."""
    predicted, truth, visible = people()
    visible[3] = 0  # no torso: not in the file
    file = tmp_path / 'people.json'
    percent = evaluate(predicted, truth, visible, out_file=str(file))['lsp/PCK']
    written = json.loads(file.read_text())
    assert 3 not in [person['id'] for person in written]
    correct = sum(person['correct'] for person in written)
    labeled = sum(person['labeled'] for person in written)
    assert 100 * correct / labeled == pytest.approx(percent, abs=1.0)  # a mean over keypoints
    only = written[0]
    index = only['id']
    one = evaluate(
        predicted[index : index + 1], truth[index : index + 1], visible[index : index + 1]
    )
    assert only['labeled'] == visible[index].sum()
    assert one['lsp/PCK'] == pytest.approx(100 * only['correct'] / only['labeled'])
