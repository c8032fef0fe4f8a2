# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

import pytest
import torch
from torch import nn

from mmpose_ext.apps.complexity.flop_counter import FlopCounterMode, ProductCounter


class Products(nn.Module):
    """A module with convolutions of every kind and products of matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.Conv2d(8, 8, 3, groups=4, dilation=2, bias=False),
            nn.ConvTranspose2d(8, 6, 4, stride=2, groups=2),
        )
        self.linear = nn.Linear(6, 5)

    def forward(self, images):
        x = self.convolutions(images).flatten(2)
        x = x.transpose(1, 2) @ x
        return self.linear(x[:, :, :6]), torch.baddbmm(x, x, x)


def test_by_hand():
    with torch.no_grad(), ProductCounter() as counter:
        nn.Conv2d(3, 8, 3, padding=1)(torch.ones(2, 3, 5, 4))
        nn.Linear(6, 5)(torch.ones(7, 6))
    assert counter.get_total_flops() == 2 * (2 * 5 * 4 * 8 * 3 * 9 + 7 * 6 * 5)


@pytest.mark.skipif(FlopCounterMode is ProductCounter, reason='torch 2.0 has no counter')
def test_counts_as_torch_does():
    images = torch.ones(2, 3, 24, 20, device='meta')
    model = Products().to('meta')
    totals = []
    for counter in (ProductCounter(), FlopCounterMode(display=False)):
        with torch.no_grad(), counter:
            model(images)
        totals.append(counter.get_total_flops())
    assert totals[0] == totals[1] > 0
