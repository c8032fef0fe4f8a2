# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Each config of docs/mix.md learns and predicts, at a reduced size and depth."""

import re

import numpy as np
import pytest
import torch
from markdown_pages import ROOT, marked_blocks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS

from mmpose_ext.codecs import BaseTorchCodec
from mmpose_ext.models.heads import __all__ as HEADS
from mmpose_ext.utils.sequences import zip_equal

FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
LAYERS = (
    'CBAM',
    'SecondOrderCBAM',
    'GaussianNonLocal2d',
    'SecondOrderNonLocal',
    'GlobalContextBlock',
)
# config, input [w, h], the head's map [w, h], the layers after the backbone's last map that is used
ROWS = [
    ('fullres_hrnet', (64, 96), (64, 96), ()),
    ('fullres_mobilenetv2', (64, 96), (64, 96), ()),
    ('clnet_hrnet', (64, 96), (4, 6), ()),
    ('clnet_mobilenetv2', (64, 96), (4, 6), ()),
    ('stacked_hrnet', (64, 96), (4, 6), ()),
    ('stacked_mobilenetv2', (64, 96), (4, 6), ('layer6', 'layer7', 'conv2')),
    ('disks_hrnet', (96, 96), (24, 24), ()),
    ('disks_mobilenetv2', (97, 97), (13, 13), ()),
    ('clusters_hrnet', (96, 96), (24, 24), ()),
    ('clusters_mobilenetv2', (96, 96), (24, 24), ()),
    ('attention_mmdet', (64, 96), (16, 24), ()),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write the page's files next to the checkout's configs."""
    folder = tmp_path_factory.mktemp('mix')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    for name, content in marked_blocks(ROOT / 'docs' / 'mix.md')[0].items():
        (folder / name).write_text(content)
    return folder


def load(folder, name, size) -> Config:
    """Load a config with a smaller input, a shallow HRNet and a narrow mmdet ResNet."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(folder / f'{name}.py')
    codec, backbone = cfg.codec, cfg.model.backbone
    ratio = [own / old for own, old in zip_equal(size, codec.input_size)]
    codec.input_size = size
    for key in ('heatmap_size', 'map_size'):
        if key in codec:
            codec[key] = tuple(round(s * r) for s, r in zip_equal(codec[key], ratio))
    if codec.type in ('DiskOffset', 'ClusterTag'):  # people in maps of a network that knows none
        lowest = dict(
            DiskOffset=dict(peak_threshold=1e-6, max_candidates=2, max_people=3),
            ClusterTag=dict(score_threshold=-9.0, max_people=3),
        )
        codec.update(lowest[codec.type])
        if codec.type == 'DiskOffset':
            cfg.model.head.heatmap_prior = 0.5
    cfg.model.head.decoder = codec
    backbone.init_cfg = None
    if backbone.type == 'HRNet':
        for stage in backbone.extra.values():
            stage.update(num_modules=1, num_blocks=(1,) * len(stage.num_blocks))
    elif backbone.type == 'mmdet.ResNet':
        backbone.base_channels = backbone.stem_channels = 8
        cfg.model.head.in_channels //= 8
    return cfg


def make_samples(cfg):
    """Make samples of two images, with two people each for bottom-up networks."""
    bottomup = 'Bottomup' in cfg.model.type
    rng = np.random.default_rng(0)
    number = 2 if bottomup else 1
    steps = [
        step for step in cfg.train_pipeline if step.type in ('GenerateTarget', 'PackPoseInputs')
    ]
    assert len(steps) == 2
    steps = [dict(steps[0], encoder=cfg.codec), steps[1]]
    steps = [TRANSFORMS.build(step) for step in steps]
    w, h = cfg.codec.input_size
    samples = []
    for _ in range(2):
        results = dict(
            img=np.zeros((h, w, 3), np.uint8),
            input_size=(w, h),
            input_center=np.array([w / 2, h / 2]),
            input_scale=np.array([w, h], float),
            keypoints=rng.uniform(0, (w - 1, h - 1), (number, 17, 2)),
            keypoints_visible=np.ones((number, 17), np.float32),
            dataset_keypoint_weights=np.ones((number, 17), np.float32),
            bbox=np.tile(np.array([0, 0, w, h], np.float32), (number, 1)),
            bbox_score=np.ones(number, np.float32),
            flip_indices=FLIP,
        )
        for step in steps:
            results = step(results)
        samples.append(results['data_samples'])
    return samples


def output_size(outputs):
    """Return [w, h] of the last maps of a head's forward pass."""
    while not isinstance(outputs, torch.Tensor):
        outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
        outputs = outputs[-1]
    return outputs.shape[-1], outputs.shape[-2]


def learn(model, inputs, samples, steps=4):
    """Return each step's loss on one batch, and the parameters that no gradient has reached."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    model.train()
    losses = []
    for _ in range(steps):
        loss, _ = model.parse_losses(model.loss(inputs, samples))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {name for name, value in model.named_parameters() if value.grad is None}


def check(cfg, map_size, unused=()):
    model = MODELS.build(cfg.model)
    model.init_weights()
    w, h = cfg.codec.input_size
    inputs, samples = torch.randn(2, 3, h, w), make_samples(cfg)
    losses, without = learn(model, inputs, samples)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert not {name for name in without if not name.startswith(unused)} if unused else not without

    model.eval()
    with torch.no_grad():
        assert output_size(model.head.forward(model.extract_feat(inputs))) == map_size
        found = model.predict(inputs, samples)
    assert model.test_cfg.flip_test and len(found) == 2
    for sample in found:
        people = sample.pred_instances
        assert 1 <= len(people.keypoints) <= (3 if 'Bottomup' in cfg.model.type else 1)
        assert people.keypoints.shape[1:] == (17, 2)
        assert people.keypoint_scores.shape == people.keypoints.shape[:2]
        assert np.isfinite(people.keypoints).all()
    return model


@pytest.mark.parametrize(
    'name, size, map_size, unused', ROWS[:-1], ids=[row[0] for row in ROWS[:-1]]
)
def test_codec_and_head(folder, name, size, map_size, unused):
    unused = tuple(f'backbone.{layer}.' for layer in unused)
    check(load(folder, name, size), map_size, unused)


@pytest.mark.parametrize('layer', LAYERS)
def test_attention_in_mmdets_resnet(folder, layer):
    pytest.importorskip('mmdet')
    name, size, map_size, _ = ROWS[-1]
    cfg = load(folder, name, size)
    cfg.model.backbone.plugins[0].cfg.type = f'mmpose.{layer}'
    model = check(cfg, map_size)
    stages = [
        any(type(module).__name__ == layer for module in getattr(model.backbone, stage).modules())
        for stage in ('layer1', 'layer2', 'layer3', 'layer4')
    ]
    assert stages == [False, True, True, True]


def test_matrix_is_whole(folder, root):
    """The page has each codec and head of the package with both backbones, and each layer."""
    page = (root / 'docs' / 'mix.md').read_text()
    files = {path.stem for path in folder.glob('*.py')} - {'hrnet_w32'}
    assert files == {row[0] for row in ROWS}
    assert files == set(re.findall(r'\[`(\w+)\.py`\]', page))
    pairs = set()
    for name, size, *_ in ROWS[:-1]:
        cfg = load(folder, name, size)
        pairs.add((cfg.model.head.type, cfg.model.backbone.type))
        assert isinstance(KEYPOINT_CODECS.build(cfg.codec), BaseTorchCodec)
        assert f'`{cfg.codec.type}`' in page
    heads = set(HEADS) - {'StackedHeatmapHead'}  # the hourglass baseline's, which is mmpose's own
    assert pairs == {(head, backbone) for head in heads for backbone in ('HRNet', 'MobileNetV2')}
    assert all(f'`{layer}`' in page for layer in LAYERS)
