# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch

from mmpose_ext.models.backbones import Hourglass, StackedHourglass


def small(**kwargs):
    return StackedHourglass(**{'num_stacks': 3, 'channels': 16, **kwargs})


# case: the last stack's stride; 4 leaves out nothing
@pytest.mark.parametrize('out_stride', [4, 8, 16, 32])
def test_output_sizes(out_stride):
    model = small(out_stride=out_stride)
    maps = model(torch.zeros(2, 3, 128, 64))
    sizes = [tuple(value.shape) for value in maps]
    assert sizes[:2] == [(2, 16, 32, 16)] * 2
    assert sizes[2] == (2, 16, 128 // out_stride, 64 // out_stride)


def test_left_out_steps_have_no_parameters():
    complete = sum(p.numel() for p in small(out_stride=4).parameters())
    coarse = sum(p.numel() for p in small(out_stride=16).parameters())
    block = sum(p.numel() for p in small().inters[0].parameters())
    assert complete - coarse == 4 * block  # skip and low3 of two levels


def test_gradient_reaches_every_parameter():
    model = small()
    sum(value.square().mean() for value in model(torch.randn(2, 3, 64, 64))).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert not missing


def test_checkpointing_changes_neither_maps_nor_gradients():
    image = torch.randn(2, 3, 64, 64)
    plain, thrifty = small(), small(with_cp=True)
    thrifty.load_state_dict(plain.state_dict())
    for model in (plain, thrifty):
        sum(value.square().mean() for value in model(image)).backward()
    for (name, expected), found in zip(  # noqa: B905 (strict is new in Python 3.10)
        plain.named_parameters(), thrifty.parameters()
    ):
        torch.testing.assert_close(found.grad, expected.grad, msg=name)


def kept_for_the_backward_pass(model) -> int:
    """Count the numbers that the forward pass saves, without those that it recomputes."""
    sizes = []

    def count(value):
        sizes.append(value.numel())
        return value

    with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
        model(torch.randn(2, 3, 64, 64))
    return sum(sizes)


def test_checkpointing_keeps_less_for_the_backward_pass():
    stem = kept_for_the_backward_pass(small().stem)
    plain, thrifty = (kept_for_the_backward_pass(small(with_cp=flag)) for flag in (False, True))
    assert thrifty - stem < 0.4 * (plain - stem), (plain - stem, thrifty - stem)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r'out_stride must be one of \[4, 8, 16, 32\]'):
        small(out_stride=64)
    with pytest.raises(ValueError, match='100x64; both must be divisible by 64'):
        small()(torch.zeros(1, 3, 64, 100))


@pytest.mark.parametrize('left_out, shape', [(0, (16, 8, 12)), (1, (24, 4, 6))])
def test_hourglass_that_widens_with_depth(left_out, shape):
    """As in associative embedding, each halved resolution has ``growth`` more channels."""
    hourglass = Hourglass(2, 16, left_out=left_out, growth=8)
    assert hourglass(torch.randn(2, 16, 8, 12)).shape == (2, *shape)
    assert hourglass.low2.low2[0].conv3.out_channels == 32
    plain = sum(p.numel() for p in Hourglass(2, 16, left_out=left_out).parameters())
    assert sum(p.numel() for p in hourglass.parameters()) > plain
