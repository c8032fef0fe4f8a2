# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from mmpose_ext.datasets.fast import truncated_normal


@pytest.mark.parametrize('size', [(), (1,), (2,), (3, 4)])
def test_draws_what_scipy_draws(size):
    np.random.seed(1)
    expected = truncnorm.rvs(-1, 1, size=size)
    after = np.random.rand()
    np.random.seed(1)
    drawn = truncated_normal(-1, 1, size)
    assert drawn.shape == size and drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, expected, rtol=1e-6)
    assert np.random.rand() == after  # both have used equally many random numbers


def test_distribution():
    np.random.seed(0)
    drawn = truncated_normal(-1, 2, (20_000,))
    assert kstest(drawn, truncnorm(-1, 2).cdf).pvalue > 0.01
    assert drawn.min() >= -1 and drawn.max() <= 2
