# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import mmpose_ext.models  # noqa: F401  registers the estimator
from mmpose_ext.utils.sequences import zip_equal

SIDE = 65
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def build(**test_cfg):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='MultiScaleBottomupEstimator',
            backbone=dict(
                type='DilatedResNet', depth=18, base_channels=8, stem_channels=8, num_stages=3
            ),
            head=dict(
                type='DiskOffsetHead',
                in_channels=32,
                heatmap_prior=0.5,  # sees keypoints everywhere
                decoder=dict(type='DiskOffset', input_size=(SIDE, SIDE), radius=8),
            ),
            test_cfg=test_cfg,
        )
    )
    model.init_weights()
    return model.eval()


def sample():
    metainfo = dict(
        flip_indices=FLIP,
        input_size=(SIDE, SIDE),
        input_center=np.array([64.0, 64.0]),
        input_scale=np.array([128.0, 128.0]),
    )
    return PoseDataSample(metainfo=metainfo)


def predict(model, image):
    with torch.no_grad():
        results = model.predict(image, [sample() for _ in image])
    return [result.pred_instances for result in results]


@pytest.mark.parametrize('flip_test', [False, True])
def test_one_scale_is_mmposes_estimator(flip_test):
    image = torch.randn(2, 3, SIDE, SIDE)
    plain = predict(build(flip_test=flip_test), image)
    scaled = predict(build(flip_test=flip_test, scales=(1.0,)), image)
    for a, b in zip_equal(plain, scaled):
        np.testing.assert_allclose(a.keypoints, b.keypoints)
        np.testing.assert_allclose(a.bbox_scores, b.bbox_scores)


@pytest.mark.parametrize('flip_test', [False, True])
def test_the_backbone_sees_all_scales_and_the_head_their_sizes(flip_test):
    model = build(flip_test=flip_test, scales=(0.5, 1.0, 2.0))
    seen, given = [], {}
    model.backbone.register_forward_pre_hook(lambda _m, args: seen.append(args[0].shape[-1]))
    original = model.head.predict

    def spy(feats, samples, test_cfg):
        given.update(test_cfg, scales_seen=len(feats))
        return original(feats, samples, test_cfg=test_cfg)

    model.head.predict = spy
    predictions = predict(model, torch.randn(1, 3, SIDE, SIDE))
    assert seen == [side for side in (33, 65, 129) for _ in range(1 + flip_test)]
    assert given['input_sizes'] == [(33, 33), (65, 65), (129, 129)] and given['scales_seen'] == 3
    assert predictions[0].keypoints.shape[1:] == (17, 2)
    assert np.isfinite(predictions[0].keypoints).all()
