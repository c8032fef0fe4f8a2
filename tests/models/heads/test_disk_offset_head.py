# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_ext.codecs import DiskOffset
from mmpose_ext.models.heads.disk_offset_head import NAMES, merge_scales
from mmpose_ext.models.layers import refine_offsets
from mmpose_ext.models.pose_estimators.multi_scale_bottomup import scale_input
from mmpose_ext.utils.sequences import zip_equal

SIZE, K = 129, 17
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
CODEC = dict(type='DiskOffset', input_size=(SIZE, SIZE), map_size=(33, 33), radius=12)


def build_head(**settings):
    cfg = dict(type='DiskOffsetHead', in_channels=8, decoder=CODEC)
    head = MODELS.build(dict(cfg, **settings))
    head.init_weights()
    return head


def people(count=2):
    """Return people of about 70 px, side by side, with all keypoints labeled."""
    shape = np.array(
        [
            [0, 0], [2, -2], [-2, -2], [5, -1], [-5, -1], [9, 10], [-9, 10], [13, 20], [-13, 21],
            [14, 30], [-15, 29], [6, 32], [-6, 32], [7, 46], [-7, 45], [7, 60], [-8, 61],
        ]
    )  # fmt: skip
    places = np.array([[35.0, 30], [90, 40], [60, 10]])[:count]
    return torch.tensor(places[:, None] + shape, dtype=torch.float32)


def samples(batch=1, size=SIZE, on_device=True, drawn=True):
    """Make samples like those of PackPoseInputs."""
    made = []
    for _ in range(batch):
        sample = PoseDataSample(metainfo=dict(flip_indices=FLIP, input_size=(size, size)))
        if drawn:
            codec = DiskOffset(**{k: v for k, v in CODEC.items() if k != 'type'})
            codec.draw_on_device = on_device
            encoded = codec.encode(people().numpy(), np.ones((2, K), np.float32))
            labels = {k: v for k, v in encoded.items() if k in codec.label_mapping_table}
            sample.gt_instance_labels = InstanceData(**labels).to_tensor()
            fields = {k: v for k, v in encoded.items() if k in codec.field_mapping_table}
            if fields:
                sample.gt_fields = PixelData(**fields).to_tensor()
        made.append(sample)
    return made


def perfect_raw(head, points, cells=17, size=SIZE):
    """Return the convolutions' output (1, C, cells, cells) of a perfect network."""
    codec = DiskOffset((size, size), map_size=(cells, cells), radius=12)
    drawn = codec.draw(points[None], torch.ones(1, len(points), K))
    # a pure disk has no values outside it: extend the offsets, as a network would
    parts = [(2 * drawn[name] - 1) * 8 for name in NAMES[:2]]
    parts += [drawn[name] / head.offset_unit for name in NAMES[2:]]
    return torch.cat(parts, 1)


def give(head, *outputs):
    """Make the head's convolution give these outputs, whatever the features; return features."""
    values = iter(outputs)
    head.final_layer.forward = lambda feats: next(values)
    return tuple([torch.zeros(1, 8, 1, 1)])


def test_channels_and_start():
    head = build_head(heatmap_prior=0.02)
    maps = head([torch.zeros(2, 8, 9, 9)])
    shapes = {name: value.shape[1] for name, value in maps.items()}
    assert shapes == dict(zip_equal(NAMES, (K, 1, 2 * K, 64, 2 * K)))
    torch.testing.assert_close(maps['heatmaps'].sigmoid(), torch.full_like(maps['heatmaps'], 0.02))
    assert not maps['mid_offsets'].any()


@pytest.mark.parametrize('steps', [0, 1, 3])
def test_training_refines_as_often_as_decoding(steps):
    head = build_head(decoder=dict(CODEC, refine_steps=steps))
    maps = head([torch.randn(2, 8, 9, 9)])
    expected = maps['long_offsets']
    for _ in range(steps):
        expected = refine_offsets(expected, maps['short_offsets'], range(K), (SIZE, SIZE), 1)
    torch.testing.assert_close(head._refined(maps)['long_offsets'], expected)
    assert head.decoder.decoder.settings.refine_steps == steps


def test_the_heads_own_refine_steps_must_be_the_decoders():
    build_head(refine_steps=2)
    build_head(refine_steps=3, decoder=dict(CODEC, refine_steps=3))
    with pytest.raises(ValueError, match='refine_steps=3, but the decoder refines 2 times'):
        build_head(refine_steps=3)


@pytest.mark.parametrize('unit', [1.0, 12.0])
def test_perfect_outputs_give_the_people(unit):
    head = build_head(offset_unit=unit)
    feats = give(head, perfect_raw(head, people(), cells=33))
    (pred,) = head.predict(feats, samples())
    assert pred.keypoints.shape == (2, K, 2)
    order = pred.keypoints[:, 0, 0].argsort()
    np.testing.assert_allclose(pred.keypoints[order], people().numpy(), atol=1.5)
    assert pred.bbox_scores.shape == (2,) and (pred.bbox_scores > 0).all()
    assert pred.keypoint_scores.shape == (2, K)


def test_flip_test_of_a_mirror_image_changes_nothing():
    head = build_head()
    points = people()
    mirrored = points[:, FLIP].clone()
    mirrored[..., 0] = SIZE - 1 - mirrored[..., 0]
    raw, raw_mirrored = (perfect_raw(head, p, cells=33) for p in (points, mirrored))
    (plain,) = head.predict(give(head, raw), samples())
    feats = give(head, raw, raw_mirrored)
    (both,) = head.predict([feats, feats], samples(), dict(flip_test=True))
    np.testing.assert_allclose(both.keypoints, plain.keypoints, atol=0.2)


def test_scales_agree():
    """Half and full scale agree, with offsets in the pixels of each."""
    head = build_head()
    points = people()
    half = (SIZE + 1) // 2
    raw = perfect_raw(head, points, cells=33)
    raw_half = perfect_raw(head, points / 2, cells=33, size=half)
    # radius 12 at half scale is 24 in the input: people's disks must not meet there
    feats = give(head, raw_half, raw)
    sizes = [(half, half), (SIZE, SIZE)]
    (pred,) = head.predict([feats, feats], samples(), dict(input_sizes=sizes))
    order = pred.keypoints[:, 0, 0].argsort()
    assert len(order) == 2
    np.testing.assert_allclose(pred.keypoints[order], points.numpy(), atol=2.5)


def test_a_larger_input_than_the_codecs():
    """At twice the codec's input size, keypoints are in the larger input's pixels."""
    head = build_head()
    large = 2 * (SIZE - 1) + 1
    points = people() * 2
    raw = perfect_raw(head, points, cells=65, size=large)
    (pred,) = head.predict(give(head, raw), samples(size=large))
    order = pred.keypoints[:, 0, 0].argsort()
    np.testing.assert_allclose(pred.keypoints[order], points.numpy(), atol=2.5)


def test_nobody():
    head = build_head()
    feats = give(head, torch.full((1, sum(head.channels), 9, 9), -9.0))
    (pred,) = head.predict(feats, samples())
    assert pred.keypoints.shape == (0, K, 2)
    assert pred.keypoint_scores.shape == (0, K) and pred.bbox_scores.shape == (0,)


def test_output_heatmaps():
    head = build_head()
    feats = give(head, perfect_raw(head, people(), cells=33))
    _, (fields,) = head.predict(feats, samples(), dict(output_heatmaps=True))
    assert fields.heatmaps.shape == (K + 1, 33, 33)
    assert 0 <= fields.heatmaps.min() and fields.heatmaps.max() <= 1


@pytest.mark.parametrize('cells', [17, 33])  # resized to the targets, of their size
def test_loss_is_finite_falls_and_reaches_all_convolutions(cells):
    head = build_head(intermediate_channels=4)
    feats = [torch.rand(2, 4, 9, 9), torch.rand(2, 8, cells, cells)]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    totals = []
    for _ in range(8):
        losses = head.loss(feats, samples(2))
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert np.isfinite(totals).all() and totals[-1] < totals[0]
    names = {'loss_heatmap', 'loss_body', 'loss_short', 'loss_mid', 'loss_long'}
    assert set(losses) == names | {f'intermediate.{name}' for name in names}
    for layer in (head.final_layer, head.intermediate_layer):
        rows = layer.weight.grad.flatten(1).abs().sum(1)
        assert (rows > 0).all()


def test_targets_of_the_worker_and_of_the_device_are_the_same():
    head = build_head()
    feats = [torch.rand(2, 8, 17, 17)]
    torch.testing.assert_close(
        head.loss(feats, samples(2, on_device=True)), head.loss(feats, samples(2, on_device=False))
    )


def test_perfect_outputs_cost_little():
    head = build_head()
    raw = perfect_raw(head, people(), cells=33)
    losses = head.loss(give(head, raw), samples())
    assert sum(losses.values()) < 0.05
    assert losses['loss_short'] == 0


def test_merged_offsets_are_those_of_the_scale_that_sees_the_keypoint():
    edges = ((0, 1), (1, 0))

    def maps(value, seen, cells):
        return dict(
            heatmaps=torch.full((1, 2, cells, cells), seen),
            body_heatmaps=torch.full((1, 1, cells, cells), seen),
            short_offsets=torch.full((1, 4, cells, cells), value),
            mid_offsets=torch.full((1, 4, cells, cells), value),
            long_offsets=torch.full((1, 4, cells, cells), value),
        )  # fmt: skip

    merged = merge_scales([maps(5.0, 0.9, 5), maps(-7.0, 0.0, 9)], edges)
    for name in NAMES[2:]:
        assert merged[name].shape[-1] == 9
        torch.testing.assert_close(
            merged[name], torch.full_like(merged[name], 5.0), atol=1e-3, rtol=0
        )
    torch.testing.assert_close(merged['heatmaps'], torch.full((1, 2, 9, 9), 0.45))


@pytest.mark.parametrize('scale, side', [(0.5, 65), (1, 129), (1.5, 193), (0.01, 17)])
def test_scaled_inputs_keep_their_corners(scale, side):
    image = torch.rand(1, 3, 129, 129)
    scaled = scale_input(image, scale)
    assert scaled.shape[-2:] == (side, side)
    for y in (0, -1):
        for x in (0, -1):
            torch.testing.assert_close(scaled[..., y, x], image[..., y, x])
    with pytest.raises(ValueError, match='above 0'):
        scale_input(image, 0)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='set decoder'):
        MODELS.build(dict(type='DiskOffsetHead', in_channels=8))
    head = build_head(intermediate_channels=4)
    with pytest.raises(ValueError, match='gives one feature map'):
        head.loss([torch.rand(1, 8, 9, 9)], samples())
