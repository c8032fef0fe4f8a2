# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_ext.models.pose_estimators.multi_scale_bottomup import scale_input
from mmpose_ext.utils.sequences import zip_equal

SIDE = 65
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def build(**test_cfg):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='MultiScaleBottomupEstimator',
            backbone=dict(
                type='DilatedResNet', depth=18, base_channels=8, stem_channels=8, num_stages=3
            ),
            head=dict(
                type='DiskOffsetHead',
                in_channels=32,
                heatmap_prior=0.5,  # sees keypoints everywhere
                decoder=dict(type='DiskOffset', input_size=(SIDE, SIDE), radius=8),
            ),
            test_cfg=test_cfg,
        )
    )
    model.init_weights()
    return model.eval()


def sample():
    metainfo = dict(
        flip_indices=FLIP,
        input_size=(SIDE, SIDE),
        input_center=np.array([64.0, 64.0]),
        input_scale=np.array([128.0, 128.0]),
    )
    return PoseDataSample(metainfo=metainfo)


def predict(model, image):
    with torch.no_grad():
        results = model.predict(image, [sample() for _ in image])
    return [result.pred_instances for result in results]


@pytest.mark.parametrize('flip_test', [False, True])
def test_one_scale_is_mmposes_estimator(flip_test):
    image = torch.randn(2, 3, SIDE, SIDE)
    plain = predict(build(flip_test=flip_test), image)
    scaled = predict(build(flip_test=flip_test, scales=(1.0,)), image)
    for a, b in zip_equal(plain, scaled):
        np.testing.assert_allclose(a.keypoints, b.keypoints)
        np.testing.assert_allclose(a.bbox_scores, b.bbox_scores)


@pytest.mark.parametrize('flip_test', [False, True])
def test_the_backbone_sees_all_scales_and_the_head_their_sizes(flip_test):
    model = build(flip_test=flip_test, scales=(0.5, 1.0, 2.0))
    seen, given = [], {}
    model.backbone.register_forward_pre_hook(lambda _m, args: seen.append(args[0].shape[-1]))
    original = model.head.predict

    def spy(feats, samples, test_cfg):
        given.update(test_cfg, scales_seen=len(feats))
        return original(feats, samples, test_cfg=test_cfg)

    model.head.predict = spy
    predictions = predict(model, torch.randn(1, 3, SIDE, SIDE))
    assert seen == [side for side in (33, 65, 129) for _ in range(1 + flip_test)]
    assert given['input_sizes'] == [(33, 33), (65, 65), (129, 129)] and given['scales_seen'] == 3
    assert predictions[0].keypoints.shape[1:] == (17, 2)
    assert np.isfinite(predictions[0].keypoints).all()


# -- the cluster-wise network: edges stay edges ----------------------------------------------------


def build_clusters(scale=1.0, **test_cfg):
    """Build a model whose maps hold two people at the places for any input size."""
    init_default_scope('mmpose')
    clusters = dict(sparse_clusters=(17,), dense_clusters=None)
    model = MODELS.build(
        dict(
            type='MultiScaleBottomupEstimator',
            backbone=dict(
                type='BranchedHourglass',
                channels=20,
                depth=2,
                stem_channels=8,
                in_branch=False,
                cross_branch=False,
                **clusters,
            ),
            head=dict(
                type='ClusterTagHead',
                decoder=dict(
                    type='ClusterTag', input_size=(128, 128), heatmap_size=(32, 32), sigma=2
                ),
                **clusters,
            ),
            test_cfg=test_cfg,
        )
    ).eval()
    model.seen = []

    def perfect(images):
        """Return a perfect model's maps of people at fixed places in the whole image."""
        h, w = images.shape[-2] // 4, images.shape[-1] // 4
        model.seen.append((images.shape[-1], images.shape[-2]))
        mirrored = bool(images[0, 0, 0, -1] > images[0, 0, 0, 0])
        places = PEOPLE if not mirrored else np.array([1, 0]) + [-1, 1] * PEOPLE[:, FLIP]
        points = torch.from_numpy(places * (w, h) - 0.5).float()  # (2, 17, 2) in cells
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
        distance = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
        heatmaps = torch.exp(-distance / 8).amax(0)
        # tags of a pass depend on its size and side
        tags = distance.argmin(0) * 9.0 + w + 100 * mirrored
        return ({'sparse': dict(heatmaps=heatmaps[None], tags=tags[None])},)

    model.extract_feat = perfect
    return model


PEOPLE = np.random.default_rng(4).uniform((0.1, 0.1), (0.4, 0.9), (2, 17, 2))
PEOPLE[1, :, 0] += 0.5


def people_found(model, size=(128, 160)):
    image = torch.zeros(1, 3, size[1], size[0])
    image[..., 0] = 1  # the left edge, which identifies the mirror image
    one = sample()
    center = np.array(size, np.float64)
    one.set_metainfo(dict(input_size=size, input_center=center, input_scale=center * 2))
    with torch.no_grad():
        (result,) = model.predict(image, [one])
    return result.pred_instances.keypoints


@pytest.mark.parametrize('flip_test', [False, True])
def test_clusters_at_one_scale_are_mmposes_estimator(flip_test):
    plain = people_found(build_clusters(flip_test=flip_test))
    scaled = people_found(build_clusters(flip_test=flip_test, scales=(1.0,)))
    np.testing.assert_allclose(plain, scaled, atol=1e-4)


@pytest.mark.parametrize('tag_scales', [None, (1.0,), (0.5, 2.0)])
@pytest.mark.parametrize('flip_test', [False, True])
def test_clusters_at_several_scales(flip_test, tag_scales):
    """Perfect maps at each scale give the people's positions, however sides are rounded."""
    model = build_clusters(flip_test=flip_test, scales=(2.0, 1.0, 0.5), tag_scales=tag_scales)
    given = []
    decode = model.head.decode
    model.head.decode = lambda maps: given.append(maps) or decode(maps)
    found = people_found(model, (128, 176))
    sizes = [(256, 352), (128, 176), (64, 96)]
    assert model.seen == [size for size in sizes for _ in range(1 + flip_test)]
    passes = (3 if tag_scales is None else len(tag_scales)) * (1 + flip_test)
    assert given[0]['tags'].shape == (1, 17 * passes, 88, 64)
    assert len(found) == 2
    # the sample's image is twice as large as the input, center on center
    expected = (PEOPLE * (128, 176) - 0.5) / (128, 176) * (256, 352)
    nearest = [np.abs(found - person).max((1, 2)).argmin() for person in expected]
    assert sorted(nearest) == [0, 1]
    assert np.abs(found[nearest] - expected).max() < 4  # half a cell


@pytest.mark.parametrize('corners, size', [(True, (33, 49)), (False, (32, 48))])
def test_inputs_scale_by_corners_or_by_edges(corners, size):
    ramp = torch.arange(64.0 + corners).expand(1, 3, 96 + corners, -1)
    scaled = scale_input(ramp, 0.5, 16, corners)
    assert scaled.shape == (1, 3, size[1], size[0])
    x = torch.arange(float(size[0]))
    expected = 2 * x if corners else (x + 0.5) * 2 - 0.5
    torch.testing.assert_close(scaled[0, 0, 0], expected)
