# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch

from mmpose_ext.models.layers import refine_offsets

SIZE = (33, 25)  # input [w, h]
ENDS = [2, 0, 2, 1]


def fields(w=9, h=7, spread=6.0):
    offsets = torch.randn(2, 2 * len(ENDS), h, w, dtype=torch.float64) * spread
    short = torch.randn(2, 6, h, w, dtype=torch.float64)
    return offsets, short


def sample(field, x, y):
    """Sample a map (h, w) bilinearly at cells x, y, clamped to the map."""
    h, w = field.shape
    x, y = min(max(x, 0.0), w - 1.0), min(max(y, 0.0), h - 1.0)
    left, top = min(int(x), w - 2), min(int(y), h - 2)
    a, b = x - left, y - top
    return (
        field[top, left] * (1 - a) * (1 - b)
        + field[top, left + 1] * a * (1 - b)
        + field[top + 1, left] * (1 - a) * b
        + field[top + 1, left + 1] * a * b
    )


def plain_refinement(offsets, short, steps):
    """Compute o + S(p + o), cell by cell."""
    refined = torch.zeros_like(offsets)
    batch, _, h, w = offsets.shape
    unit = [(SIZE[0] - 1) / (w - 1), (SIZE[1] - 1) / (h - 1)]  # pixels per cell
    for b in range(batch):
        for d, end in enumerate(ENDS):
            for i in range(h):
                for j in range(w):
                    o = offsets[b, 2 * d : 2 * d + 2, i, j].clone()
                    for _ in range(steps):
                        x, y = j + o[0].item() / unit[0], i + o[1].item() / unit[1]
                        o += torch.stack(
                            [sample(short[b, 2 * end + axis], x, y) for axis in (0, 1)]
                        )
                    refined[b, 2 * d : 2 * d + 2, i, j] = o
    return refined


@pytest.mark.parametrize('steps', [0, 1, 2, 3])
# case: mostly inside the map, far outside it
@pytest.mark.parametrize('spread', [3.0, 60.0])
def test_equals_the_plain_reference(steps, spread):
    offsets, short = fields(spread=spread)
    refined = refine_offsets(offsets, short, ENDS, SIZE, steps)
    torch.testing.assert_close(refined, plain_refinement(offsets, short, steps))


def test_perfect_short_offsets_correct_any_error_within_the_disk():
    """Offsets err by up to 5 px, and short offsets point to the keypoint from everywhere."""
    w, h, target = 33, 25, torch.tensor([20.3, 11.6])
    x, y = torch.meshgrid(torch.arange(w), torch.arange(h), indexing='xy')
    exact = torch.stack([target[0] - x, target[1] - y])[None]
    wrong = exact + 5 * (2 * torch.rand(1, 2, h, w) - 1)
    refined = refine_offsets(wrong, exact, [0], SIZE, 2)
    inside = ((wrong + torch.stack([x, y])) >= 0) & (
        (wrong + torch.stack([x, y])) <= torch.tensor([w - 1, h - 1]).view(2, 1, 1)
    )
    inside = inside.all(1, keepdim=True).expand_as(wrong)
    assert inside.float().mean() > 0.9
    torch.testing.assert_close(refined[inside], exact[inside], atol=1e-4, rtol=0)


def test_gradients():
    offsets, short = fields(4, 3, spread=2.0)
    offsets.requires_grad_(), short.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *maps: refine_offsets(*maps, ENDS, SIZE, 2), (offsets, short), atol=1e-4
    )


def test_what_does_not_fit_is_refused():
    offsets, short = fields()
    with pytest.raises(ValueError, match='two channels per end'):
        refine_offsets(offsets, short, ENDS[:3], SIZE, 2)
    with pytest.raises(ValueError, match='maps of one size'):
        refine_offsets(offsets, short[..., :-1], ENDS, SIZE, 2)
