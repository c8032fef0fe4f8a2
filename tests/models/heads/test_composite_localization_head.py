# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import mmpose_ext  # noqa: F401 (registers the heads)
from mmpose_ext.utils.sequences import zip_equal

SIZE, K, FLIP = (96, 128), 5, [0, 2, 1, 4, 3]
CODEC = dict(type='CompositeLocalization', input_size=SIZE)
LOSSES = ('CompositeLocalizationLoss', 'PeakOffsetLoss', 'BinaryHeatmapOffsetLoss')


def head(codec=CODEC, **kwargs):
    cfg = dict(
        type='CompositeLocalizationHead',
        in_channels=8,
        out_channels=K,
        channels=16,
        mid_channels=4,
        decoder=codec,
    )
    return MODELS.build({**cfg, **kwargs})


def stacked_head(**kwargs):
    cfg = dict(
        type='StackedCompositeLocalizationHead',
        in_channels=8,
        out_channels=K,
        feature_strides=(4, 8, 16),
        channels=8,
        decoder=CODEC,
    )
    return MODELS.build({**cfg, **kwargs})


def train_samples(number=2, **codec):
    """Make data samples as the training pipeline packs them."""
    rng = np.random.default_rng(0)
    transform = GenerateTarget(encoder=dict(CODEC, **codec))
    samples = []
    for _ in range(number):
        results = dict(
            img=np.zeros((SIZE[1], SIZE[0], 3), np.uint8),
            transformed_keypoints=rng.uniform(0, 95, (1, K, 2)),
            keypoints_visible=(rng.uniform(size=(1, K)) > 0.2).astype(np.float32),
            dataset_keypoint_weights=np.ones((1, K), np.float32),
        )
        samples.append(PackPoseInputs()(transform(results))['data_samples'])
    return samples


def test_samples(number=2):
    return [PoseDataSample(metainfo=dict(flip_indices=FLIP)) for _ in range(number)]


test_samples.__test__ = False


def test_forward_shapes():
    (heatmaps, offsets), *rest = head()([torch.zeros(2, 8, 8, 6)])
    assert heatmaps.shape == (2, K, 8, 6) and offsets.shape == (2, 2 * K, 8, 6) and not rest
    up = head(deconv_out_channels=(8, 8), codec=dict(CODEC, stride=4))
    assert up([torch.zeros(2, 8, 8, 6)])[0][0].shape == (2, K, 32, 24)
    stages = stacked_head()([torch.zeros(2, 8, 128 // s, 96 // s) for s in (4, 8, 16)])
    assert [maps[1].shape for maps in stages] == [(2, 2 * K, 8, 6)] * 3


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('on_device', [False, True])
def test_loss_and_gradients(loss, on_device):
    model = head(loss=dict(type=loss), logits=loss == 'BinaryHeatmapOffsetLoss')
    losses = model.loss([torch.randn(2, 8, 8, 6)], train_samples(draw_on_device=on_device))
    assert set(losses) == {'loss_heatmap', 'loss_offset'}
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_loss_is_the_same_wherever_the_target_is_drawn():
    model, feats = head().eval(), [torch.randn(2, 8, 8, 6)]
    drawn_by_worker = model.loss(feats, train_samples())
    drawn_on_device = model.loss(feats, train_samples(draw_on_device=True))
    for name, value in drawn_by_worker.items():
        torch.testing.assert_close(value, drawn_on_device[name], atol=1e-6, rtol=0)


def test_every_stage_is_supervised():
    model = stacked_head()
    feats = [torch.randn(2, 8, 128 // s, 96 // s) for s in (4, 8, 16)]
    losses = model.loss(feats, train_samples())
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize('build', [head, stacked_head])
def test_maps_start_near_0(build):
    model = build()
    model.init_weights()
    feats = [torch.randn(2, 8, 128 // s, 96 // s) for s in (4, 8, 16)]
    feats = feats if build is stacked_head else feats[2:]
    for maps in model(feats):
        assert all(value.abs().max() < 0.5 for value in maps)


@pytest.mark.parametrize('loss, logits', [('BinaryHeatmapOffsetLoss', False), (LOSSES[0], True)])
def test_a_loss_of_other_heatmaps_is_refused(loss, logits):
    with pytest.raises(ValueError, match=f'set logits={not logits}, since {loss} takes'):
        head(loss=dict(type=loss), logits=logits)


@pytest.mark.parametrize('loss', LOSSES)
def test_predict(loss):
    model = head(loss=dict(type=loss), logits=loss == 'BinaryHeatmapOffsetLoss').eval()
    feats = [torch.randn(3, 8, 8, 6)]
    preds, fields = model.predict(feats, test_samples(3), dict(output_heatmaps=True))
    assert len(preds) == len(fields) == 3
    assert isinstance(preds[0], InstanceData)
    assert preds[0].keypoints.shape == (1, K, 2) and preds[0].keypoint_scores.shape == (1, K)
    assert isinstance(preds[0].keypoints, np.ndarray)
    assert fields[0].heatmaps.shape == (K, 8, 6) and fields[0].offsets.shape == (2 * K, 8, 6)
    if loss == 'BinaryHeatmapOffsetLoss':  # logits became probabilities
        assert all(0 <= field.heatmaps.min() and field.heatmaps.max() <= 1 for field in fields)
    alone = model.predict([feats[0][1:2]], test_samples(1), {})
    np.testing.assert_allclose(alone[0].keypoints, preds[1].keypoints, atol=1e-3)


class SymmetricHead(torch.nn.Module):
    """Makes a head's raw maps exactly symmetric: f(x) = (g(x) + mirror(g(mirror(x)))) / 2."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.decoder = inner, inner.decoder

    def forward(self, feats):
        def maps(x):
            return dict(zip_equal(('heatmaps', 'offsets'), self.inner([x])[-1]))

        merged = self.decoder.merge_flipped(maps(feats[-1]), maps(feats[-1].flip(-1)), FLIP)
        return [(merged['heatmaps'], merged['offsets'])]


def test_a_symmetric_model_predicts_the_same_with_and_without_flip_test():
    inner = head().eval()
    inner.init_weights()
    torch.nn.init.normal_(inner.final_layer.weight, std=0.1)  # some cells above tau
    feats = torch.randn(4, 8, 8, 6)
    model = copy.deepcopy(inner)
    model.forward = SymmetricHead(inner).forward
    plain = model.predict([feats], test_samples(4), {})
    flipped = model.predict([[feats], [feats.flip(-1)]], test_samples(4), dict(flip_test=True))
    for one, two in zip_equal(plain, flipped):
        np.testing.assert_allclose(one.keypoints, two.keypoints, atol=1e-3)
        np.testing.assert_allclose(one.keypoint_scores, two.keypoint_scores, atol=1e-6)
    # the model itself is not symmetric, so the test is meaningful
    lopsided = inner.predict([feats], test_samples(4), {})
    differences = [a.keypoints - b.keypoints for a, b in zip_equal(lopsided, plain)]
    assert np.abs(differences).max() > 0.5
    # and the keypoints of a mirrored input are the mirrored keypoints
    mirrored = model.predict([feats.flip(-1)], test_samples(4), {})
    expected = np.stack([p.keypoints for p in plain])[:, :, FLIP]
    expected[..., 0] = SIZE[0] - 1 - expected[..., 0]
    np.testing.assert_allclose(np.stack([p.keypoints for p in mirrored]), expected, atol=1e-3)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='set decoder to the CompositeLocalization codec'):
        head(codec=None)
    with pytest.raises(ValueError, match='cannot bring'):
        stacked_head(feature_strides=(32,))
    with pytest.raises(ValueError, match='3 stages but 2 feature maps'):
        stacked_head()([torch.zeros(1, 8, 8, 6)] * 2)
    # a stride that the backbone does not give
    for call in (
        lambda: head().loss([torch.zeros(2, 8, 16, 12)], train_samples()),
        lambda: head().predict([torch.zeros(2, 8, 16, 12)], test_samples(), {}),
    ):
        with pytest.raises(ValueError, match="Set the codec's stride to the backbone's"):
            call()
    with pytest.raises(ValueError, match='holds .* NaN'):
        head().predict([torch.full((2, 8, 8, 6), float('nan'))], test_samples(), {})
