# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

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


def kept_for_the_backward_pass(model, shape=(2, 3, 64, 64)) -> int:
    """Return the bytes that a forward pass keeps, each memory once, without the parameters."""
    own = {value.data_ptr() for value in (*model.parameters(), *model.buffers())}
    kept = {}

    def keep(value):
        storage = value.untyped_storage()
        kept[storage.data_ptr()] = storage  # held, so that no other tensor gets the same memory
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        model(torch.randn(shape))
    return sum(storage.nbytes() for pointer, storage in kept.items() if pointer not in own)


def test_checkpointing_keeps_less_for_the_backward_pass():
    stem = kept_for_the_backward_pass(small().stem)
    plain, thrifty = (kept_for_the_backward_pass(small(with_cp=flag)) for flag in (False, True))
    assert thrifty - stem < 0.4 * (plain - stem), (plain - stem, thrifty - stem)


@pytest.mark.long
@pytest.mark.parametrize(
    'name, with_cp, gib',
    [
        ('clnet_hourglass8_256x192', False, 0.50),
        ('clnet_hourglass8_256x192', True, 0.22),
        ('clnet_hourglass8_384x256', False, 1.00),
        ('clnet_hourglass8_384x256', True, 0.44),
    ],
)
def test_memory_of_the_full_networks(root, name, with_cp, gib):
    """The figures of docs/composite-localization.md."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(root / 'configs' / f'{name}.py')
    cfg.model.backbone.with_cp = with_cp
    model = MODELS.build(cfg.model).train()
    model.forward = model._forward
    width, height = cfg.codec.input_size
    kept = kept_for_the_backward_pass(model, (1, 3, height, width))
    assert kept / 2**30 == pytest.approx(gib, abs=0.01)


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
