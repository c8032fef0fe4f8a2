# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Testing a stage of a stacked network gives the result of the network cut off there."""

import copy

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import mmpose_ext  # noqa: F401 (registers everything)
from mmpose_ext.utils.sequences import zip_equal

SIZE, K, FLIP = (64, 64), 5, [0, 2, 1, 4, 3]
HEATMAPS = dict(
    type='StackedHeatmapHead',
    in_channels=8,
    out_channels=K,
    num_stages=3,
    decoder=dict(type='MSRAHeatmap', input_size=SIZE, heatmap_size=(16, 16), sigma=1),
)
OFFSETS = dict(
    type='StackedCompositeLocalizationHead',
    in_channels=8,
    out_channels=K,
    feature_strides=(4, 4, 4),
    channels=8,
    decoder=dict(type='CompositeLocalization', input_size=SIZE),
)


def cut_off(head, number):
    """Return the head of a network that ends after ``number`` stages."""
    head = copy.deepcopy(head)
    if isinstance(head, MODELS.get('StackedHeatmapHead')):
        head.num_stages = number
        head.multi_final_layers = head.multi_final_layers[:number]
    else:
        head.stages = head.stages[:number]
    return head


@pytest.mark.parametrize('cfg', [HEATMAPS, OFFSETS], ids=lambda cfg: cfg['type'])
@pytest.mark.parametrize('flip_test', [False, True])
def test_a_stage_predicts_as_the_network_cut_off_there(cfg, flip_test):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    head = MODELS.build(cfg).eval()
    feats = [torch.randn(2, 8, 16, 16) for _ in range(3)]
    mirrored = [x.flip(-1) + 0.1 for x in feats]
    samples = [PoseDataSample(metainfo=dict(flip_indices=FLIP)) for _ in range(2)]
    test_cfg = dict(flip_test=flip_test, shift_heatmap=True, output_heatmaps=True)

    def predict(model, number, **settings):
        given = [[*x[:number]] for x in (feats, mirrored)]
        return model.predict(given if flip_test else given[0], samples, {**test_cfg, **settings})

    every = [predict(head, 3, stage=stage)[0] for stage in range(3)]
    for number, found in enumerate(every, 1):
        expected, fields = predict(cut_off(head, number), number)
        assert fields[0].heatmaps.shape[0] == K
        for one, two in zip_equal(found, expected):
            np.testing.assert_array_equal(one.keypoints, two.keypoints)
            np.testing.assert_array_equal(one.keypoint_scores, two.keypoint_scores)
    last = predict(head, 3)[0]  # by default
    np.testing.assert_array_equal(last[0].keypoints, every[-1][0].keypoints)
    assert np.abs(every[0][0].keypoints - every[-1][0].keypoints).max() > 1


def test_it_is_mmposes_head():
    """Except for the stage, parameters, losses and predictions are those of mmpose's head."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    ours = MODELS.build(HEATMAPS).eval()
    theirs = MODELS.build({**HEATMAPS, 'type': 'CPMHead'}).eval()
    theirs.load_state_dict(ours.state_dict())
    feats = [[torch.randn(2, 8, 16, 16) for _ in range(3)] for _ in range(2)]
    samples = [PoseDataSample(metainfo=dict(flip_indices=FLIP)) for _ in range(2)]
    for test_cfg in (
        dict(flip_test=True),
        dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
        dict(),
    ):
        given = feats if test_cfg else feats[0]
        for one, two in zip_equal(
            ours.predict(given, samples, test_cfg), theirs.predict(given, samples, test_cfg)
        ):
            np.testing.assert_allclose(one.keypoints, two.keypoints)
            np.testing.assert_allclose(one.keypoint_scores, two.keypoint_scores)
    assert type(ours).loss is type(theirs).loss
