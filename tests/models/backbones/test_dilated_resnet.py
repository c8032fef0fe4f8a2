# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy

import pytest
import torch
from mmpose.models.backbones import ResNet
from torch import nn

from mmpose_ext.models.backbones import DilatedResNet
from mmpose_ext.utils.sequences import zip_equal


def network(depth=18, **settings):
    """Build a small network in which normalization has an effect and all blocks matter."""
    net = DilatedResNet(depth, base_channels=8, stem_channels=8, **settings)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return net.double()


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_weights_are_those_of_mmpose_resnet(depth):
    with torch.device('meta'):
        ours, theirs = DilatedResNet(depth), ResNet(depth)
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


# case: depth, style of the strided convolution, deep stem
@pytest.mark.parametrize(
    'depth, settings',
    [(18, {}), (50, {}), (50, dict(style='caffe')), (34, dict(deep_stem=True))],
)
def test_stride_32_is_mmpose_resnet(depth, settings):
    ours = network(depth, train_stride=32, test_stride=32, intermediate=False, **settings).eval()
    theirs = ResNet(depth, base_channels=8, stem_channels=8, **settings).double()
    theirs.load_state_dict(ours.state_dict())
    theirs.eval()
    x = torch.randn(2, 3, 65, 97, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(
    'depth, settings',
    [(18, {}), (50, {}), (50, dict(style='caffe')), (101, {}), (34, dict(deep_stem=True))],
)
def test_a_smaller_stride_adds_positions_and_changes_none(depth, settings):
    """With atrous convolution, every second value at stride 8 is a value at stride 16."""
    net = network(depth, norm_eval=True, **settings).eval()
    x = torch.randn(1, 3, 97, 65, dtype=torch.float64)
    maps = {}
    for stride in (4, 8, 16, 32):
        net._set_stride(stride)
        maps[stride] = net(x)[-1]
        assert maps[stride].shape[-2:] == (96 // stride + 1, 64 // stride + 1)
    for stride in (4, 8, 16):
        torch.testing.assert_close(maps[stride][..., ::2, ::2], maps[2 * stride])


def test_corner_cells_lie_on_corner_pixels():
    """A mirrored input gives mirrored maps only if the cells are symmetric."""
    net = network(norm_eval=True).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):  # symmetric kernels
            module.weight.data = (module.weight + module.weight.flip(-1)) / 2
    x = torch.randn(1, 3, 81, 81, dtype=torch.float64)
    torch.testing.assert_close(net(x.flip(-1))[-1].flip(-1), net(x)[-1])


def test_mode_switches_the_stride():
    net = network(train_stride=16, test_stride=8)
    x = torch.randn(2, 3, 97, 97, dtype=torch.float64)
    assert net.train() is net
    assert net(x)[-1].shape[-2:] == (7, 7)
    assert net.eval() is net
    assert net(x)[-1].shape[-2:] == (13, 13)
    clone = copy.deepcopy(net).train()  # as the EMA hook makes one
    assert clone(x)[-1].shape[-2:] == (7, 7) and net(x)[-1].shape[-2:] == (13, 13)


def test_same_values_in_training_and_testing_where_statistics_are_frozen():
    net = network()
    statistics = [b.clone() for n, b in net.named_buffers() if 'running' in n]
    x = torch.randn(2, 3, 97, 97, dtype=torch.float64)
    trained = net.train()(x)[-1]
    tested = net.eval()(x)[-1]
    torch.testing.assert_close(tested[..., ::2, ::2], trained)
    for before, (_, after) in zip_equal(
        statistics, ((n, b) for n, b in net.named_buffers() if 'running' in n)
    ):
        assert torch.equal(before, after)
    trained.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_norm_eval_false_trains_the_statistics():
    net = network(norm_eval=False).train()
    before = net.bn1.running_mean.clone()
    net(torch.randn(2, 3, 33, 33, dtype=torch.float64))
    assert not torch.equal(before, net.bn1.running_mean)


@pytest.mark.parametrize('depth, after', [(18, 1), (34, 3), (101, 12), (152, 18)])
def test_the_activation_in_the_middle(depth, after):
    with torch.device('meta'):
        assert DilatedResNet(depth).middle == (2, after - 1)


def test_the_activation_in_the_middle_is_one_of_the_third_stage():
    net = network(18).eval()
    x = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    seen = []
    net.layer3[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    middle, last = net(x)
    assert torch.equal(middle, seen[0]) and last.shape[1] == 64
    assert len(network(18, intermediate=False).eval()(x)) == 1


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(train_stride=12), 'train_stride must be one of'),
        (dict(test_stride=2), 'test_stride must be one of'),
        (dict(dilations=(1, 1, 2, 4)), r"not take \['dilations'\]"),
        (dict(avg_down=True), r"not take \['avg_down'\]"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DilatedResNet(18, **settings)
