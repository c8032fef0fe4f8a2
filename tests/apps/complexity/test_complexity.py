# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import csv
import math

import pytest
from torch import nn

from mmpose_ext.apps.complexity.counting import complexity_of_config, count_complexity

PAPER_TABLE = 'docs/results/paper_attention.csv'


def test_counting_by_hand():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1),  # 16x16 out: 256 * 8 * 27
        nn.Conv2d(8, 8, 3, padding=1, groups=4),  # 256 * 8 * 18
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1),  # 32x32 out: 1024 * 4 * 128
    )
    complexity = count_complexity(model, (32, 32))
    assert complexity.params == (8 * 27 + 8) + (8 * 18 + 8) + (8 * 4 * 16 + 4)
    convs = 256 * 8 * 27 + 256 * 8 * 18
    assert complexity.conv_macs == convs + 1024 * 4 * 128
    assert complexity.macs == convs + 1024 * 4 * 128 // 4  # at its input size


def attention_rows(root):
    with open(root / PAPER_TABLE, newline='') as file:
        return [row for row in csv.DictReader(file) if row['paper'] == 'attention']


def agrees(ours: float, printed: str, relative: float) -> bool:
    """Return whether a figure is within a relative bound, or equals the cut-off print ("8.9")."""
    unit = 10 ** -len(printed.partition('.')[2])
    cut = round(math.floor(ours / unit) * unit, 6)
    return math.isclose(ours, float(printed), rel_tol=relative) or cut == float(printed)


def test_attention_rows_agree_with_the_paper(root):
    """Parameters agree with Tables I and IV within 0.5 %, GFLOPs within 1 %."""
    rows = attention_rows(root)
    assert len(rows) == 10
    for row in rows:
        complexity, (width, height) = complexity_of_config(str(root / row['config']))
        assert f'{height}x{width}' == row['input_size']
        assert agrees(complexity.params / 1e6, row['params_m'], 5e-3), row
        assert agrees(complexity.conv_gmacs(), row['gflops'], 1e-2), row


@pytest.mark.parametrize('size, ratio', [('256x192', 1.96), ('384x288', 2.91)])
def test_true_cost_of_the_attention(root, size, ratio):
    """With all products counted, the network costs 1.9 and 2.9 times the baseline."""
    ours, baseline = (
        complexity_of_config(str(root / 'configs' / f'{name}_resnet50_{size}.py'))[0].macs
        for name in ('attention', 'simplebaseline')
    )
    assert ours / baseline == pytest.approx(ratio, abs=0.01)
