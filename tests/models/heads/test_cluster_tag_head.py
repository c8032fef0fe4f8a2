# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The head on given maps: targets for every branch, losses, flip test, packing of people."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import KEYPOINT_CODECS, MODELS

from mmpose_ext.models.heads import ClusterTagHead
from mmpose_ext.models.losses import ClusterTagLoss
from mmpose_ext.utils.sequences import zip_equal

SIZE = (64, 96)
CODEC = dict(
    type='ClusterTag', input_size=SIZE, heatmap_size=(16, 24), clusters=17, draw_on_device=True
)
CLUSTERS = dict(sparse_clusters=(5, 17), dense_clusters=(1, 3))
NUMBERS = [dict(dense=1, sparse=5), dict(dense=3, sparse=17)]
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def make_samples(people=(2, 1), codec=CODEC):
    rng = np.random.default_rng(0)
    samples = []
    for number in people:
        results = dict(
            img=np.zeros((SIZE[1], SIZE[0], 3), np.uint8),
            keypoints=rng.uniform(0, (SIZE[0] - 1, SIZE[1] - 1), (number, 17, 2)),
            keypoints_visible=(rng.random((number, 17)) < 0.8).astype(np.float32),
            dataset_keypoint_weights=np.ones((number, 17), np.float32),
            flip_indices=FLIP,
        )
        packed = PackPoseInputs()(GenerateTarget(encoder=codec)(results))
        samples.append(packed['data_samples'])
    return samples


def make_maps(batch=2, numbers=NUMBERS):
    return tuple(
        {
            name: {key: torch.randn(batch, number, 24, 16) for key in ('heatmaps', 'tags')}
            for name, number in stack.items()
        }
        for stack in numbers
    )


def test_loss_is_the_sum_over_stacks_and_branches():
    head, samples, maps = ClusterTagHead(CODEC, **CLUSTERS), make_samples(), make_maps()
    values = head.loss(maps, samples)
    expected = dict.fromkeys(('loss_heatmap', 'loss_pull', 'loss_push'), 0)
    for stack, numbers in zip_equal(maps, NUMBERS):
        for name, clusters in numbers.items():
            codec = KEYPOINT_CODECS.build(dict(CODEC, clusters=clusters))
            targets = codec.targets(samples)
            assert targets['heatmaps'].shape == stack[name]['heatmaps'].shape
            losses = ClusterTagLoss()(
                stack[name], targets, codec.cluster_of, codec.place_in_cluster, codec.delta
            )
            expected = {key: value + losses[key] for key, value in expected.items()}
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value)


def test_maps_of_other_clusters_are_refused():
    """The worker's maps are of one cluster setting; they would be broadcast to the others."""
    samples = make_samples(codec=dict(CODEC, draw_on_device=False))
    head = ClusterTagHead(CODEC, **CLUSTERS)
    with pytest.raises(ValueError, match=r'heatmaps of 17 .* a stack has \d+: .* draw_on_device'):
        head.loss(make_maps(), samples)


def test_one_codec_a_cluster_setting():
    four = ClusterTagHead(CODEC, (17,) * 4, (1,) * 4)
    assert [setting.codec.num_clusters for setting in four.settings] == [17, 1]
    one_branch = ClusterTagHead(CODEC, (17,) * 4)
    assert [list(stack) for stack in one_branch.stacks] == [['sparse']] * 4
    assert not list(four.parameters()) and not four.state_dict()


def test_offset_span_gives_each_setting_its_delta():
    head = ClusterTagHead(dict(CODEC, clusters=5), (17, 5), (1, 3), offset_span=4.0)
    deltas = {setting.codec.num_clusters: setting.codec.delta for setting in head.settings}
    assert deltas == {17: 4.0, 5: 1.0, 1: 4 / 17, 3: 4 / 6}
    assert head.decoder.delta == 1.0
    for setting in head.settings:  # the offsets stay below the span
        assert setting.place_in_cluster.max() * setting.codec.delta < 4
    plain = ClusterTagHead(CODEC, (17,), (1,))
    assert {setting.codec.delta for setting in plain.settings} == {0.03}


def test_people_are_decoded_from_the_last_sparse_branch():
    """That branch has perfect maps, and all others have noise."""
    head, samples, maps = ClusterTagHead(CODEC, **CLUSTERS), make_samples(), make_maps()
    targets = head.decoder.targets(samples)
    tags = torch.zeros(2, 17, 24 * 16)
    for b, n, k in (targets['keypoint_weights'] > 0).nonzero().tolist():
        tags[b, k, targets['keypoint_indices'][b, n, k]] = 10.0 * n
    maps[-1]['sparse'] = dict(heatmaps=targets['heatmaps'], tags=tags.view(2, 17, 24, 16))
    preds = head.predict(maps, samples)
    expected = head.decoder.batch_decode(maps[-1]['sparse'])
    for pred, keypoints, scores, people in zip_equal(preds, *expected):
        assert np.array_equal(pred.keypoints, keypoints)
        assert np.array_equal(pred.keypoint_scores, scores)
        assert np.array_equal(pred.bbox_scores, people)
        assert pred.keypoints.shape[1:] == (17, 2) and len(pred.keypoints)


def test_flip_test_of_mirrored_maps_changes_nothing():
    head, samples, maps = ClusterTagHead(CODEC, **CLUSTERS), make_samples(), make_maps()
    maps[-1]['sparse']['heatmaps'] = head.decoder.targets(samples)['heatmaps']
    mirrored = make_maps()
    mirrored[-1]['sparse'] = {
        name: value.flip(-1)[:, FLIP] for name, value in maps[-1]['sparse'].items()
    }
    cfg = dict(output_heatmaps=True)
    preds, fields = head.predict(maps, samples, cfg)
    flipped, flipped_fields = head.predict([maps, mirrored], samples, dict(cfg, flip_test=True))
    for a, b in zip_equal(preds, flipped):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)
    for a, b in zip_equal(fields, flipped_fields):
        torch.testing.assert_close(a.heatmaps, b.heatmaps)
        assert torch.equal(a.tags, b.tags)


def test_runs_in_mmposes_bottom_up_estimator():
    model = MODELS.build(
        dict(
            type='BottomupPoseEstimator',
            backbone=dict(
                type='BranchedHourglass', channels=20, depth=2, stem_channels=8, **CLUSTERS
            ),
            head=dict(type='ClusterTagHead', decoder=CODEC, **CLUSTERS),
            test_cfg=dict(flip_test=True),
        )
    )
    samples, images = make_samples(), torch.randn(2, 3, SIZE[1], SIZE[0])
    values = model.loss(images, samples)
    assert all(value.isfinite() for value in values.values())
    sum(values.values()).backward()
    for sample in samples:
        sample.set_metainfo(
            dict(
                input_size=SIZE,
                input_center=np.array(SIZE) / 2,
                input_scale=np.array(SIZE, np.float32),
            )
        )
    model.eval()
    with torch.no_grad():
        results = model.predict(images, samples)
        heatmaps, tags = model._forward(images)
    assert heatmaps.shape == tags.shape == (2, 17, 24, 16)
    for result in results:
        people = result.pred_instances
        assert len(people.keypoints) == len(people.bbox_scores) == len(people.keypoint_scores)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(), 'set decoder'),
        (dict(decoder=CODEC, sparse_clusters=(17, 5)), 'decoded from that branch'),
        (dict(decoder=CODEC, sparse_clusters=(17,), dense_clusters=(1, 1)), 'one of each branch'),
    ],
)
def test_refuses_settings_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        ClusterTagHead(**options)


def test_refuses_another_backbones_maps():
    head = ClusterTagHead(CODEC, (17, 17), (1, 1))
    with pytest.raises(ValueError, match='Give both the same sparse_clusters'):
        head.loss(make_maps(), make_samples())


@pytest.mark.parametrize(
    'cfg, message',
    [
        (dict(multiscale_test=True), 'multiscale_test is not supported.*MultiScaleBottomup'),
        (dict(shift_heatmap=True), 'shift_heatmap'),
        (
            dict(scales=(1.0, 0.5), tag_scales=(2.0,), input_sizes=[SIZE] * 2, full_size=SIZE),
            'tag_scales .2.0. must be some of test_cfg.scales .1.0, 0.5.',
        ),
    ],
)
def test_refuses_test_settings_that_would_be_ignored(cfg, message):
    head = ClusterTagHead(CODEC, **CLUSTERS)
    feats = [make_maps()] * 2 if 'scales' in cfg else make_maps()
    with pytest.raises(ValueError, match=message):
        head.predict(feats, make_samples(), cfg)
