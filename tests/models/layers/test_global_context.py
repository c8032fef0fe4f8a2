# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmcv.cnn.bricks import ContextBlock

from mmpose_ext.models.layers import GlobalContextBlock
from mmpose_ext.utils.sequences import zip_equal


def random_block(channels=8, **kwargs):
    torch.manual_seed(0)
    block = GlobalContextBlock(channels, **kwargs)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block


def attend_slowly(block, x):
    """Compute Fig. 1(b) position by position: features (B, C, h, w), attention (B, h, w)."""
    out, weights = x.clone(), torch.zeros(x.shape[0], *x.shape[2:])
    first, norm, _, second = block.channel_add_conv
    for b in range(x.shape[0]):
        cells = [(i, j) for i in range(x.shape[2]) for j in range(x.shape[3])]
        w, bias = block.conv_mask.weight[0, :, 0, 0], block.conv_mask.bias[0]
        raised = torch.stack([(w @ x[b, :, i, j] + bias).exp() for i, j in cells])
        raised = raised / raised.sum()
        context = sum(r * x[b, :, i, j] for r, (i, j) in zip_equal(raised, cells))
        hidden = first.weight[:, :, 0, 0] @ context + first.bias
        hidden = (hidden - hidden.mean()) / (hidden.var(unbiased=False) + norm.eps).sqrt()
        hidden = (hidden * norm.weight.flatten() + norm.bias.flatten()).relu()
        added = second.weight[:, :, 0, 0] @ hidden + second.bias
        for r, (i, j) in zip_equal(raised, cells):
            out[b, :, i, j] += added
            weights[b, i, j] = r
    return out, weights


@pytest.mark.parametrize('size', [(4, 3), (7, 5), (1, 1)])
def test_equals_the_slow_one(size):
    block, x = random_block(hand_out='weights'), torch.randn(2, 8, *size)
    expected, expected_weights = attend_slowly(block, x)
    out, weights = block.attend(x)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(weights[:, 0], expected_weights)


def test_equals_mmcvs_block_with_the_same_parameters():
    block, x = random_block(16), torch.randn(2, 16, 6, 5)
    mmcvs = ContextBlock(16, 1 / 4)
    mmcvs.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(x), mmcvs(x))
    torch.testing.assert_close(block.attend(x)[0], block(x))


def test_attention():
    x = 5 * torch.randn(3, 8, 6, 5)
    weights = random_block(hand_out='weights').attend(x)[1]
    heatmap = random_block(hand_out='heatmap').attend(x)[1]
    assert weights.shape == heatmap.shape == (3, 1, 6, 5)
    torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(3))
    torch.testing.assert_close(heatmap.flatten(1).softmax(-1), weights.flatten(1))
    assert heatmap.flatten(1).sum(-1).abs().max() > 2  # before the softmax: any scale


def test_starts_as_the_identity_under_any_init_cfg():
    block = random_block()
    block.init_weights()
    x = torch.randn(2, 8, 6, 5)
    torch.testing.assert_close(block(x), x)


def test_gradients():
    block, x = random_block(), torch.randn(2, 8, 6, 5, requires_grad=True)
    out, heatmap = block.attend(x)
    (out.square().sum() + heatmap.square().sum()).backward()
    assert all(p.grad.abs().max() > 0 for p in block.parameters())
    assert x.grad.abs().min() > 0


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='ratio 0.05 leaves none of 8 channels'):
        GlobalContextBlock(8, ratio=0.05)
    with pytest.raises(ValueError, match="hand_out must be one of .* got 'map'"):
        GlobalContextBlock(8, hand_out='map')
