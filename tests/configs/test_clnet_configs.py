# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Every config of composite localization builds, runs and costs what docs/ says."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import DATASETS, KEYPOINT_CODECS, METRICS, MODELS, TRANSFORMS
from PIL import Image
from scipy.io import savemat

from mmpose_ext.apps.complexity.counting import complexity_of_config
from mmpose_ext.apps.convert_lsp import convert_lsp

CONFIGS = [
    'clnet_resnet50_256x192',
    'clnet_resnet50_384x288',
    'clnet_resnet101_384x288',
    'clnet_resnet152_384x288',
    'clnet_hourglass8_256x192',
    'clnet_hourglass8_384x256',
    'clnet_resnet50_mpii_256x256',
    'clnet_hourglass8_mpii_256x256',
    'clnet_resnet50_lsp_256x256',
    'clnet_hourglass8_lsp_256x256',
    'ablation/clnet_resnet18_lsp_256x256',
    'ablation/clnet_resnet34_lsp_256x256',
    'ablation/clnet_resnet101_lsp_256x256',
    'ablation/clnet_resnet152_lsp_256x256',
    'ablation/clnet_resnet50_stride4_lsp_256x256',
    'ablation/clnet_resnet50_stride8_lsp_256x256',
    'ablation/clnet_resnet50_stride32_lsp_256x256',
    'ablation/clnet_resnet50_peak_lsp_256x256',
    'ablation/clnet_resnet50_binary_lsp_256x256',
    'ablation/clnet_resnet50_region_lsp_256x256',
    'lsp/clnet_resnet18_lspet_128x128',
]
PAPER = 'docs/results/paper_clnet.csv'


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def load(root, name):
    cfg = Config.fromfile(root / 'configs' / f'{name}.py')
    cfg.model.backbone.init_cfg = None
    return cfg


def datasets_of(cfg):
    dataset = cfg.train_dataloader.dataset
    return [*dataset.get('datasets', [dataset]), cfg.val_dataloader.dataset]


def test_all_are_listed(root):
    folder = root / 'configs'
    files = [*folder.glob('clnet_*.py'), *folder.glob('*/clnet_*.py')]
    files = [path for path in files if path.parent.name not in ('_base_', 'fast', 'compare')]
    assert sorted(str(path.relative_to(folder))[:-3] for path in files) == sorted(CONFIGS)


def points_of(codec):
    """Return what a codec passes on to the head, for points inside and outside the input."""
    points = np.random.default_rng(0).uniform(-50, 450, (1, 20, 2)).astype(np.float32)
    encoded = KEYPOINT_CODECS.build(codec).encode(points, np.ones((1, 20), np.float32))
    assert 'heatmaps' not in encoded
    return encoded


@pytest.mark.parametrize('name', CONFIGS)
def test_config_agrees_with_itself(root, name):
    """The codec, the data set's joints and the input's size are the same everywhere."""
    cfg = load(root, name)
    codec = cfg.model.head.decoder
    size = name.split('_')[-1].split('x')
    assert codec.input_size == (int(size[1]), int(size[0]))
    for dataset in datasets_of(cfg):
        pipeline = [TRANSFORMS.build(step) for step in dataset.pipeline]
        affine = next(step for step in pipeline if type(step).__name__ == 'TopdownAffine')
        assert affine.input_size == codec.input_size
        encoders = [step.encoder for step in dataset.pipeline if step.type == 'GenerateTarget']
        assert len(encoders) == 1 - dataset.get('test_mode', 0)
        for encoder in encoders:
            np.testing.assert_equal(points_of(encoder), points_of(codec))
        meta = DATASETS.get(dataset.type)(lazy_init=True).metainfo
        assert meta['num_keypoints'] == cfg.model.head.out_channels


@pytest.mark.parametrize('name', CONFIGS)
def test_one_step_on_a_small_input(root, name):
    cfg = load(root, name)
    divisor = 128 if 'hourglass' in name else 64
    w, h = size = (divisor, 2 * divisor)
    cfg.model.head.decoder.input_size = size
    if 'hourglass' in name:  # the same modules, two stacks of them, narrower
        cfg.model.backbone.update(num_stacks=2, channels=32)
        cfg.model.head.update(feature_strides=(4, 16), in_channels=32, channels=32)
    elif cfg.model.backbone.depth > 50:
        cfg.model.backbone.depth = 50
    model = MODELS.build(cfg.model)
    num = cfg.model.head.out_channels
    results = dict(
        img=np.zeros((h, w, 3), np.uint8),
        transformed_keypoints=np.random.default_rng(0).uniform(5, 60, (1, num, 2)),
        keypoints_visible=np.ones((1, num), np.float32),
        dataset_keypoint_weights=np.ones((1, num), np.float32),
    )
    packed = PackPoseInputs()(GenerateTarget(encoder=cfg.model.head.decoder)(results))
    losses = model.loss(torch.randn(2, 3, h, w), [packed['data_samples']] * 2)
    assert set(losses) == {'loss_heatmap', 'loss_offset'}
    assert all(loss.isfinite() for loss in losses.values())
    heatmaps, offsets = model.head(model.extract_feat(torch.randn(2, 3, h, w)))[-1]
    stride = cfg.model.head.decoder.stride
    assert heatmaps.shape == (2, num, h // stride, w // stride)
    assert offsets.shape == (2, 2 * num, h // stride, w // stride)


def paper_rows():
    with open(Path(__file__).resolve().parents[2] / PAPER, newline='') as file:
        return [row for row in csv.DictReader(file) if row['params_m'] or row['gflops']]


@pytest.mark.parametrize('row', paper_rows(), ids=lambda row: row['config'].split('/', 1)[1])
def test_complexity_is_the_papers_within_2_percent(root, row):
    complexity, (w, h) = complexity_of_config(str(root / row['config']))
    assert f'{h}x{w}' == row['input_size']
    if row['params_m']:
        assert complexity.params / 1e6 == pytest.approx(float(row['params_m']), rel=0.02)
    if row['gflops']:
        gmacs = complexity.conv_gmacs(row['counting'])
        assert gmacs == pytest.approx(float(row['gflops']), rel=0.02)


def test_lsp_trains_on_both_sets(root, tmp_path):
    """Converted LSP and LSPET pass through the training pipeline, one after the other."""
    for name, digits, axes in [('lsp', 4, (2, 1, 0)), ('lspet', 5, (1, 2, 0))]:
        folder = tmp_path / name / 'images'
        folder.mkdir(parents=True)
        joints = np.random.default_rng(0).uniform(20, 80, (2, 14, 3))
        savemat(tmp_path / 'joints.mat', dict(joints=joints.transpose(axes)))
        for i in (1, 2):
            Image.new('RGB', (100, 100)).save(folder / f'im{i:0{digits}}.jpg')
        out = tmp_path / f'annotations/{name}_train.json'
        convert_lsp(tmp_path / 'joints.mat', folder, out)
    dataset = load(root, 'clnet_resnet50_lsp_256x256').train_dataloader.dataset
    for part in dataset.datasets:
        part.data_root = str(tmp_path)
    data = DATASETS.build(dataset)
    assert len(data) == 4
    files = sorted(data[i]['data_samples'].img_path for i in range(4))
    assert [Path(name).name for name in files] == [
        'im0001.jpg', 'im0002.jpg', 'im00001.jpg', 'im00002.jpg',
    ]  # fmt: skip
    sample = data[3]
    assert sample['inputs'].shape == (3, 256, 256)
    assert sample['data_samples'].gt_instance_labels.target_keypoints.shape == (1, 14, 2)


def test_mpii_sample_is_scored(root, shared_data):
    """Perfect predictions on mmpose's few MPII images get 100 PCKh."""
    cfg = load(root, 'clnet_resnet50_mpii_256x256')
    dataset = cfg.train_dataloader.dataset
    folder = shared_data / 'mmpose-samples/mpii'
    dataset.update(data_root=str(folder), ann_file='test_mpii.json', data_prefix=dict(img=''))
    data = DATASETS.build(dataset)
    sample = data[0]['data_samples']
    assert sample.gt_instance_labels.target_keypoints.shape == (1, 16, 2)
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = data.metainfo
    truth = dict(
        keypoints=sample.gt_instances.keypoints,
        keypoints_visible=np.ones((1, 16)),
        head_size=np.array([[20.0]]),
    )
    prediction = dict(keypoints=truth['keypoints'] - 1.0)  # the metric adds MATLAB's 1
    metric.process([], [dict(gt_instances=truth, pred_instances=prediction)])
    result = metric.evaluate(1)
    assert result[cfg.default_hooks.checkpoint.save_best] == 100
