# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's prediction layers work behind any backbone."""

import pytest
import torch

from mmpose_ext.models.necks import ClusterBranches

FEATS = (torch.randn(2, 6, 8, 4), torch.randn(2, 10, 4, 2))


@pytest.mark.parametrize(
    'settings, numbers, size',
    [
        (dict(in_channels=10), dict(sparse=17), (4, 2)),
        # the branches in the hourglass's order; two deconvolutions: four times the size
        (
            dict(in_channels=10, dense_clusters=3, deconv_out_channels=(8, 7)),
            dict(dense=3, sparse=17),
            (16, 8),
        ),
        (dict(in_channels=6, index=0, sparse_clusters=[list(range(17))]), dict(sparse=1), (8, 4)),
    ],
)
def test_branches(settings, numbers, size):
    (stack,) = ClusterBranches(channels=12, **settings)(FEATS)
    assert list(stack) == list(numbers)
    for name, maps in stack.items():
        assert list(maps) == ['heatmaps', 'tags']
        for value in maps.values():
            assert value.shape == (2, numbers[name], *size)


def test_predictions_are_sub_branches_of_their_own():
    """Tags come in units of ``tag_scale``, heatmaps do not."""
    necks = []
    for scale in (1.0, 8.0):
        torch.manual_seed(0)
        necks.append(ClusterBranches(10, channels=12, tag_scale=scale).eval())
    one, eight = (neck(FEATS)[0]['sparse'] for neck in necks)
    torch.testing.assert_close(eight['tags'], 8 * one['tags'])
    torch.testing.assert_close(eight['heatmaps'], one['heatmaps'])
    assert not torch.allclose(one['heatmaps'], one['tags'])


def test_other_channels_are_named():
    with pytest.raises(ValueError, match='in_channels 9 but feature map -1 has 10'):
        ClusterBranches(9)(FEATS)
