# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.evaluation.functional import pose_pck_accuracy
from mmpose.models.losses import KeypointMSELoss
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

import mmpose_ext  # noqa: F401 (registers the parts)
from mmpose_ext.models.heads.full_resolution_head import heatmap_accuracy
from mmpose_ext.utils.sequences import zip_equal

CONFIGS = Path(__file__).parents[3] / 'configs'
ROWS = {
    'plain': 'ablation/frsbn_plain_resnet34_256x192.py',
    'gcb': 'ablation/frsbn_gcb_resnet34_256x192.py',
    'skip': 'ablation/frsbn_gcb_skip_resnet34_256x192.py',
    'sa_mfcd': 'frsbn_resnet34_256x192.py',
}
SMALL = (32, 64)  # of the networks' inputs
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def network(row='sa_mfcd', size=SMALL):
    """Build a config's network on ResNet-18, with narrow decoders and for small inputs."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(CONFIGS / ROWS[row]).model
    cfg.backbone.update(depth=18, init_cfg=None)
    cfg.head.update(deconv_out_channels=(32, 32, 32, 16, 8))
    cfg.head.decoder.update(input_size=size, sigma=4)
    cfg.head.loss.loss_weight = size[0] * size[1]  # as the configs do for their size
    torch.manual_seed(0)
    return MODELS.build(cfg)


def head(**kwargs):
    cfg = dict(
        type='FullResolutionHead',
        in_channels=8,
        out_channels=17,
        deconv_out_channels=(8, 8, 8, 6, 4),
        decoder=dict(type='FullResolutionHeatmap', input_size=(64, 96), sigma=4),
    )
    return MODELS.build({**cfg, **kwargs})


def samples(number=2, size=(64, 96), draw_on_device=True):
    """Make data samples as the training pipeline packs them."""
    encoder = dict(
        type='FullResolutionHeatmap', input_size=size, sigma=4, draw_on_device=draw_on_device
    )
    rng = np.random.default_rng(0)
    packed = []
    for _ in range(number):
        results = dict(
            img=np.zeros((size[1], size[0], 3), np.uint8),
            flip_indices=FLIP,
            transformed_keypoints=rng.uniform(0, size, (1, 17, 2)),
            keypoints_visible=(rng.uniform(size=(1, 17)) > 0.2).astype(np.float32),
            dataset_keypoint_weights=np.ones((1, 17), np.float32),
        )
        pack = PackPoseInputs(meta_keys=('flip_indices',))
        packed.append(pack(GenerateTarget(encoder=encoder)(results))['data_samples'])
    return packed


# a size that all strides divide; a size with a side that only 16 divides, and an odd side
@pytest.mark.parametrize('size', [(32, 64), (48, 77)])
@pytest.mark.parametrize('row', ROWS)
def test_outputs_have_the_inputs_size(row, size):
    model = network(row, size)
    model.eval()
    with torch.no_grad():
        heatmaps = model._forward(torch.randn(2, 3, size[1], size[0]))
    assert heatmaps.shape == (2, 17, size[1], size[0])


def test_250x190():
    model = network('sa_mfcd', (190, 250))
    model.eval()
    images = torch.randn(1, 3, 250, 190)
    with torch.no_grad():
        heatmaps = model._forward(images)
        assert heatmaps.shape == (1, 17, 250, 190)
        # cropped at the right and the bottom, the maps are those of the image padded with 0
        padded = torch.zeros(1, 3, 256, 192)
        padded[..., :250, :190] = images
        whole = network('plain', (192, 256))
        whole.eval()
        odd = network('plain', (190, 250))
        odd.eval()
        inner = np.s_[..., :100, :60]
        torch.testing.assert_close(
            odd._forward(images)[inner], whole._forward(padded)[inner], atol=1e-4, rtol=1e-3
        )


@pytest.mark.parametrize('row', ROWS)
def test_the_gradient_reaches_every_parameter(row):
    model = network(row)
    for parameter in model.parameters():
        if not parameter.any():  # starts at 0, where gradients stop
            torch.nn.init.normal_(parameter, std=0.1)
    model.train()
    losses = model.loss(torch.randn(2, 3, 64, 32), samples(size=SMALL))
    losses['loss_kpt'].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if name.endswith('conv_mask.bias'):  # the softmax does not depend on it
            continue
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize('row', ['gcb', 'sa_mfcd'])
def test_attention_sums_to_1_everywhere(row):
    model = network(row)
    blocks = [m for m in model.modules() if type(m).__name__ == 'GlobalContextBlock']
    assert len(blocks) == 7  # four stages, three decoders
    sums = []
    for block in blocks:
        block.hand_out = 'weights'
        attend = block.attend

        def spy(x, attend=attend):
            out, weights = attend(x)
            sums.append(weights.sum((1, 2, 3)))
            return out, weights

        block.attend = spy
    model.eval()
    model._forward(torch.randn(2, 3, 64, 32))
    torch.testing.assert_close(torch.stack(sums), torch.ones(7, 2))


def test_loss_is_the_same_wherever_the_target_is_drawn_and_equals_equation_2():
    model = network()
    model.eval()
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        by_worker = model.loss(images, samples(size=SMALL, draw_on_device=False))
        on_device = model.loss(images, samples(size=SMALL, draw_on_device=True))
        heatmaps = model._forward(images)
    torch.testing.assert_close(by_worker, on_device, atol=1e-6, rtol=0)
    total = 0.0
    for maps, sample in zip_equal(heatmaps.double(), samples(size=SMALL, draw_on_device=False)):
        weights = sample.gt_instance_labels.keypoint_weights[0]
        for k in range(17):
            if weights[k] > 0:
                total += (maps[k] - sample.gt_fields.heatmaps[k]).square().sum()
    # the mean over images and keypoints of the sum over the cells
    assert by_worker['loss_kpt'].item() == pytest.approx(total.item() / (2 * 17), rel=1e-5)
    assert isinstance(model.head.loss_module, KeypointMSELoss)


def test_predict():
    model = head().eval()
    feats = [torch.randn(3, 8, 3, 2)]
    preds, fields = model.predict(feats, samples(3), dict(output_heatmaps=True))
    assert len(preds) == len(fields) == 3
    assert preds[0].keypoints.shape == (1, 17, 2) and preds[0].keypoint_scores.shape == (1, 17)
    assert isinstance(preds[0].keypoints, np.ndarray)
    assert fields[0].heatmaps.shape == (17, 96, 64)
    np.testing.assert_allclose(
        preds[1].keypoint_scores[0], fields[1].heatmaps.flatten(1).amax(1), rtol=1e-6
    )
    alone = model.predict([feats[0][1:2]], samples(1), {})
    np.testing.assert_allclose(alone[0].keypoints, preds[1].keypoints, atol=1e-2)


def bumps(model, feats):
    """Return a map with a wide bump per keypoint, whose place and height depend on features."""
    with torch.no_grad():
        raw = dict(heatmaps=type(model).forward(model, feats))
        keypoints, scores = model.decoder.locate(raw)
        maps = model.decoder.draw(keypoints, torch.ones_like(scores))['heatmaps']
        return maps * (1 + 0.5 * torch.sin(1000 * scores))[:, 0, :, None, None]


@pytest.mark.parametrize('size', [(64, 96), (62, 96)])
def test_flip_test_of_a_symmetric_model_needs_no_shift(size):
    """The model f(x) = (g(x) + mirror(g(mirror(x)))) / 2 is symmetric for any g."""
    decoder = dict(type='FullResolutionHeatmap', input_size=size, sigma=4)
    model = head(decoder=decoder).eval()
    torch.manual_seed(1)

    def symmetric(feats):
        maps, mirrored = (
            dict(heatmaps=bumps(model, value)) for value in (feats, [feats[0].flip(-1)])
        )
        return model.decoder.merge_flipped(maps, mirrored, FLIP)['heatmaps']

    feats = [torch.randn(4, 8, 3, 2)]
    model.forward = symmetric
    plain = model.predict(feats, samples(4), {})
    flipped = model.predict([feats, [feats[0].flip(-1)]], samples(4), dict(flip_test=True))
    mirrored = model.predict([feats[0].flip(-1)], samples(4), {})
    for one, two, three in zip_equal(plain, flipped, mirrored):
        np.testing.assert_allclose(one.keypoints, two.keypoints, atol=1e-3)
        np.testing.assert_allclose(one.keypoint_scores, two.keypoint_scores, atol=1e-5)
        expected = one.keypoints[:, FLIP].copy()
        expected[..., 0] = size[0] - 1 - expected[..., 0]
        np.testing.assert_allclose(three.keypoints, expected, atol=1e-3)
    # a shift by one cell, which quarter-resolution maps need, would move the keypoints
    maps = symmetric(feats)
    shifted = maps.clone()
    shifted[..., 1:] = maps[..., :-1]
    moved = model.decode(dict(heatmaps=(maps + shifted) / 2))
    shift = np.stack([b.keypoints - a.keypoints for a, b in zip_equal(plain, moved)])
    assert np.median(shift[..., 0]) == pytest.approx(0.5, abs=0.05)


def test_a_shift_is_refused():
    with pytest.raises(ValueError, match='shift_heatmap=False'):
        head().predict([], samples(1), dict(flip_test=True, shift_heatmap=True))
    model = head()
    model.test_cfg = dict(shift_heatmap=True)  # mmpose's estimators set it
    with pytest.raises(ValueError, match='shift_heatmap=False'):  # before the first validation
        model.loss([torch.zeros(1, 8, 3, 2)], samples(1))


def test_accuracy_is_mmposes():
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(6, 5, 24, 16, generator=generator)
    heatmaps = targets + 0.05 * torch.rand(6, 5, 24, 16, generator=generator)
    heatmaps[0, 0] = -1  # not positive anywhere
    mask = torch.rand(6, 5, generator=generator) > 0.4
    mask[:, 3] = False  # a keypoint that never counts
    _, expected, _ = pose_pck_accuracy(heatmaps.numpy(), targets.numpy(), mask.numpy())
    assert 0.1 < expected < 0.95
    assert heatmap_accuracy(heatmaps, targets, mask).item() == pytest.approx(expected, rel=1e-6)
    assert heatmap_accuracy(heatmaps, targets, mask & False).item() == 0


def test_starts_near_0():
    model = network()
    model.init_weights()
    model.eval()
    assert model._forward(torch.randn(1, 3, 64, 32)).abs().max() < 0.1
    blocks = [m for m in model.modules() if type(m).__name__ == 'GlobalContextBlock']
    assert all(block.channel_add_conv[-1].weight.abs().max() == 0 for block in blocks)


def test_learns_one_batch():
    torch.manual_seed(0)
    decoder = dict(type='FullResolutionHeatmap', input_size=SMALL, sigma=4)
    model = head(deconv_out_channels=(32,) * 5, decoder=decoder)
    model.init_weights()
    feats, data_samples = [torch.randn(2, 8, 2, 1)], samples(size=SMALL)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = []
    for _ in range(150):
        losses = model.loss(feats, data_samples)
        optimizer.zero_grad()
        losses['loss_kpt'].backward()
        optimizer.step()
        history.append(losses['loss_kpt'].item())
    assert history[-1] < 0.3 * history[0]
    assert losses['acc_pose'] > 0.8


def test_bad_settings_and_inputs_are_refused():
    with pytest.raises(ValueError, match='must have one entry for each of the 5'):
        head(lateral_indices=(None, 0))
    with pytest.raises(ValueError, match='names feature map 1, but in_channels'):
        head(in_channels=(4, 8), lateral_indices=(None, 1, None, None, None))
    with pytest.raises(ValueError, match='the feature maps have .*16'):
        head()([torch.zeros(1, 16, 3, 2)])
    with pytest.raises(ValueError, match='ContextResNet needs the neck SAMFCD'):
        head()(((torch.zeros(1, 8, 3, 2),), (torch.zeros(1, 1, 3, 2),)))
    # an image that is not of the codec's input_size; too few decoders
    for model, feats in (
        (head(), torch.zeros(1, 8, 4, 2)),
        (head(deconv_out_channels=(8, 8, 8)), torch.zeros(1, 8, 3, 2)),
    ):
        with pytest.raises(ValueError, match="must be of the codec's input_size"):
            model([feats])
    without = head(decoder=None)
    assert without([torch.zeros(1, 8, 3, 2)]).shape == (1, 17, 96, 64)
    for call in (without.predict, without.loss):
        with pytest.raises(ValueError, match='set decoder to the FullResolutionHeatmap codec'):
            call([torch.zeros(1, 8, 3, 2)], [PoseDataSample()], {})


def test_a_codec_of_another_size_is_refused():
    """Otherwise the maps are cropped at one side, and the flip test merges two peaks."""
    model, feats = head(), torch.zeros(1, 8, 3, 2)
    (sample,) = samples(1)
    sample.set_metainfo(dict(input_size=(64, 80)))
    for call in (model.predict, model.loss):
        with pytest.raises(ValueError, match=r'images are 64x80, .* input_size=\(64, 96\)'):
            call([feats], [sample], {})
    sample.set_metainfo(dict(input_size=(64, 96)))
    assert model.loss([feats], [sample])['loss_kpt'] >= 0


@pytest.mark.parametrize('number', [1, 16])
def test_another_number_of_keypoints_is_refused(number):
    """One map would be broadcast to all keypoints."""
    model = head(out_channels=number)
    message = f'out_channels is {number}, but the samples have 17 keypoints'
    with pytest.raises(ValueError, match=message):
        model.loss([torch.zeros(1, 8, 3, 2)], samples(1))
