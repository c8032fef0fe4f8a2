# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest

from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_least, require_number, require_one_of, require_range


def test_least():
    require_least(1, runs=1, number=None)
    with pytest.raises(ArgumentError, match='^number must be 1 or more, not 0$'):
        require_least(1, runs=1, number=0)
    with pytest.raises(ArgumentError, match='^noise must be 0 or more, not nan$'):
        require_least(0, noise=float('nan'))


def test_range():
    require_range(0, 1, box_nms=0, match_thr=1.0, other=None)
    for value in (-0.1, 1.1, float('nan')):
        with pytest.raises(ArgumentError, match=f'^box_nms must be 0 to 1, not {value}$') as caught:
            require_range(0, 1, box_nms=value)
        assert caught.value.text.naming({}) == f'--box-nms must be 0 to 1, not {value}'


def test_number_and_names():
    require_number(score_thr=-5.0, box_thr=None)
    require_one_of(('train', 'val'), split='val')
    with pytest.raises(ArgumentError, match='^score_thr must be a number, not nan$'):
        require_number(score_thr=float('nan'))
    with pytest.raises(ArgumentError, match="^split must be one of train, val, not 'test'$"):
        require_one_of(('train', 'val'), split='test')
