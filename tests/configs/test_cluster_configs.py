# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Every config of the cluster-wise network agrees with itself and the paper, and takes a step."""

import json
import math

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATA_SAMPLERS, DATASETS, METRICS, MODELS
from PIL import Image

COCO = {
    'cluster_hourglass4_512x512': dict(in_branch=True, cross_branch=True),
    'ablation/cluster_1_hourglass4_512x512': dict(in_branch=False, cross_branch=False),
    'ablation/cluster_2_hourglass4_512x512': dict(in_branch=False, cross_branch=False),
    'ablation/cluster_inbranch_hourglass4_512x512': dict(in_branch=True, cross_branch=False),
    'ablation/cluster_crossbranch_hourglass4_512x512': dict(in_branch=False, cross_branch=True),
    'associative_embedding_hourglass4_512x512': dict(in_branch=False, cross_branch=False),
}
POSETRACK = 'cluster_hourglass4_posetrack18_512x512'
DEMO = 'demo/cluster_hourglass2_160x160'
NARROW = 'cluster_hourglass4_narrow_512x512'
RECOMMENDED = 'cluster_hourglass4_recommended_512x512'
MULTI_SCALE = 'associative_embedding_hourglass4_multiscale_512x512'
ALL = [*COCO, POSETRACK, NARROW, RECOMMENDED, MULTI_SCALE, DEMO]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def load(root, name):
    return Config.fromfile(root / 'configs' / f'{name}.py')


def test_all_are_listed(root):
    folder = root / 'configs'
    files = [*folder.glob('**/cluster_*.py'), *folder.glob('**/associative_*.py')]
    files = [path for path in files if path.parent.name != '_base_']
    assert sorted(str(path.relative_to(folder))[:-3] for path in files) == sorted(ALL)


@pytest.mark.parametrize('name', ALL)
def test_config_agrees_with_itself(root, name):
    """The codec, the clusters and the input's size are the same everywhere."""
    cfg = load(root, name)
    codec = cfg.model.head.decoder
    for part in (cfg.model.backbone, cfg.model.head):
        assert part.get('sparse_clusters') == cfg.sparse_clusters
        assert part.get('dense_clusters') == cfg.dense_clusters
    assert cfg.codec == codec
    train = cfg.train_dataloader.dataset.pipeline
    steps = {step.type: step for step in train}
    assert steps['GenerateTarget'].encoder == codec
    assert steps['BottomupRandomAffine'].input_size == codec.input_size
    resize = cfg.val_dataloader.dataset.pipeline[1]
    largest = max(cfg.model.test_cfg.get('scales', (1.0,)))
    least = min(cfg.model.test_cfg.get('scales', (1.0,)))
    assert largest == 1  # a larger scale shows no more detail
    if name == MULTI_SCALE:
        trained = cfg.model.test_cfg.tag_scales[0]
        assert [side * trained for side in resize.input_size] == [*codec.input_size]
        assert (largest / trained, least / trained) == (2, 0.5)
    else:
        assert resize.input_size == codec.input_size
    # the threshold is about the margin: 5 for 4, and 1 for associative embedding's 0.707
    threshold = head_threshold(cfg)
    assert 0.7 <= threshold / cfg.model.head.loss.margin <= 1.5
    dataset = DATASETS.get(cfg.train_dataloader.dataset.type)(lazy_init=True)
    head = MODELS.build(cfg.model.head)
    names = dataset.metainfo['keypoint_id2name']
    assert head.decoder.num_keypoints == len(names) == 17
    assert codec.get('metainfo', '').endswith('posetrack18.py') == (name == POSETRACK)


@pytest.mark.parametrize('name', COCO)
def test_settings_of_the_paper(root, name):
    """The settings are those of Sections 4.2 and 4.3."""
    cfg = load(root, name)
    backbone, loss = cfg.model.backbone, cfg.model.head.loss
    clusters = dict(sparse=(17, 17, 17, 17), dense=(1, 1, 1, 1))
    if 'cluster_1' in name:
        clusters = dict(sparse=(5, 5, 5, 17), dense=(1, 1, 1, 3))
    elif 'associative' in name:
        clusters['dense'] = None
    assert backbone.sparse_clusters == clusters['sparse']
    assert backbone.dense_clusters == clusters['dense']
    assert {key: backbone[key] for key in COCO[name]} == COCO[name]
    assert (loss.detection_weight, loss.tag_weight) == (1, 1e-3)
    if 'associative' in name:  # its public code: 0.5 exp(-d^2)
        assert loss.push_weight == 0.5 and 2 * loss.margin**2 == pytest.approx(1)
    else:
        assert loss.get('push_weight', 1) == 1 and loss.margin == 4
    assert cfg.codec.delta == 0.03
    assert (cfg.codec.input_size, cfg.codec.heatmap_size) == ((512, 512), (128, 128))
    assert cfg.train_dataloader.batch_size == 8
    assert rates(cfg) == [2e-4] * 150 + [1e-5] * 50
    assert steps_of_an_epoch(cfg) == 1000  # 200,000 in all, the drop at 150,000


@pytest.mark.parametrize(
    'name, least, most',
    [
        ('associative_embedding_hourglass4_512x512', 138e6, 141e6),  # its public code: 138.9
        ('cluster_hourglass4_512x512', 141e6, 144e6),
        (NARROW, 16e6, 17e6),
        (RECOMMENDED, 60e6, 65e6),
    ],
)
def test_widths(root, name, least, most):
    with torch.device('meta'):
        model = MODELS.build(load(root, name).model)
    number = sum(p.numel() for p in model.parameters())
    assert least < number < most
    entries = yaml.safe_load((root / 'configs/cluster.yml').read_text())['Models']
    (entry,) = (entry for entry in entries if entry['Name'] == name)
    assert entry['Metadata']['Parameters'] == number
    assert f'{number / 1e6:.2f} |' in (root / 'docs/cluster-wise.md').read_text()


def test_recommended_settings_are_those_of_the_small_trainings(root):
    full, demo = (load(root, name).model for name in (RECOMMENDED, DEMO))
    for key in ('block', 'tag_scale', 'in_branch', 'cross_branch'):
        assert full.backbone[key] == demo.backbone[key]
    assert full.backbone.norm_cfg.type == demo.backbone.norm_cfg.type == 'GN'
    assert full.head.offset_span == demo.head.offset_span == 2 * full.head.loss.margin
    for key in ('cluster_reduction', 'margin', 'pull_weight', 'tag_window'):
        assert full.head.loss[key] == demo.head.loss[key]
    # a Gaussian fills less of a larger map
    cells = [math.prod(model.head.decoder.heatmap_size) for model in (full, demo)]
    ratio = demo.head.loss.tag_weight / full.head.loss.tag_weight
    assert ratio == pytest.approx(cells[0] / cells[1], rel=0.05)


def test_schedule_of_posetrack(root):
    """The schedule is that of Section 4.4."""
    cfg = load(root, POSETRACK)
    assert rates(cfg) == [1e-5] * 15 + [1e-6] * 5
    assert steps_of_an_epoch(cfg) == 1000
    assert cfg.load_from


@pytest.mark.parametrize('name', [*COCO, POSETRACK])
def test_passes_over_the_data_are_an_option(root, name):
    cfg = load(root, name)
    cfg.merge_from_dict({'train_dataloader.sampler.samples': None})
    assert steps_of_an_epoch(cfg) == 77 / 8


def head_threshold(cfg):
    return MODELS.build(cfg.model.head).decoder.settings.tag_threshold


def steps_of_an_epoch(cfg):
    """Return the number of batches per epoch, for a data set of any size."""
    sampler = DATA_SAMPLERS.build(
        cfg.train_dataloader.sampler, default_args=dict(dataset=range(77), seed=0)
    )
    return len(sampler) / cfg.train_dataloader.batch_size


def rates(cfg):
    """Return the learning rate of each epoch."""
    (step,) = cfg.param_scheduler
    rate = cfg.optim_wrapper.optimizer.lr
    changes = [
        sum(epoch >= m for m in step.milestones) for epoch in range(cfg.train_cfg.max_epochs)
    ]
    return [round(rate * step.gamma**change, 12) for change in changes]


def write_images(folder):
    """Write two COCO images, the first also with a crowd, which has no keypoints."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in (1, 2):
        Image.fromarray(rng.integers(0, 255, (120, 160, 3), np.uint8)).save(
            folder / f'{number}.jpg'
        )
        images.append(dict(id=number, file_name=f'{number}.jpg', width=160, height=120))
        for person in range(2):
            points = rng.uniform((20 + 60 * person, 20), (70 + 60 * person, 100), (17, 2))
            annotations.append(
                dict(
                    id=10 * number + person,
                    image_id=number,
                    category_id=1,
                    keypoints=np.c_[points, np.full(17, 2)].ravel().tolist(),
                    num_keypoints=17,
                    bbox=[20 + 60 * person, 20, 50, 80],
                    area=4000,
                    iscrowd=0,
                    segmentation=[[20, 20, 70, 20, 70, 100]],
                )
            )
    crowd = dict(annotations[0], id=99, iscrowd=1, num_keypoints=0, keypoints=[0] * 51)
    crowd.update(segmentation=dict(size=[120, 160], counts=[0, 120 * 10, 120 * 150]))
    annotations.append(crowd)
    annotations.sort(key=lambda annotation: annotation['image_id'])
    category = dict(id=1, name='person', keypoints=[str(k) for k in range(17)], skeleton=[])
    content = dict(images=images, annotations=annotations, categories=[category])
    (folder / 'people.json').write_text(json.dumps(content))


def small_dataset(dataset, folder):
    dataset.update(data_root=str(folder), ann_file='people.json', data_prefix=dict(img=''))
    return DATASETS.build(dataset)


def shrink(cfg):
    """Return the config with the same modules, narrow and shallow."""
    backbone = cfg.model.backbone
    backbone.update(depth=2, channels=32, stem_channels=8, growth=8)
    if backbone.norm_cfg and backbone.norm_cfg.type == 'GN':
        backbone.norm_cfg.num_groups = 4
    return MODELS.build(cfg.model)


def shrink_input(cfg):
    """Return the same pipeline for an input of 128x128."""
    small = dict(input_size=(128, 128), heatmap_size=(32, 32))
    cfg.model.head.decoder.update(small)
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'GenerateTarget':
            step.encoder.update(small)
        elif step.type == 'BottomupRandomAffine':
            step.input_size = small['input_size']
        elif step.type == 'PersonMasks':
            step.map_size = small['heatmap_size']


@pytest.mark.parametrize('name', ALL)
def test_one_step_from_images_to_losses(root, name, tmp_path):
    write_images(tmp_path)
    cfg = load(root, name)
    shrink_input(cfg)
    data = small_dataset(cfg.train_dataloader.dataset, tmp_path)
    model = shrink(cfg)
    batch = dict(inputs=[], data_samples=[])
    for i in range(2):
        sample = data[i]
        batch['inputs'].append(sample['inputs'])
        batch['data_samples'].append(sample['data_samples'])
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    assert set(losses) == {'loss_heatmap', 'loss_pull', 'loss_push'}
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    sum(losses.values()).backward()


def test_loss_is_left_out_in_crowds(root, tmp_path):
    write_images(tmp_path)
    cfg = load(root, 'cluster_hourglass4_512x512')
    shrink_input(cfg)
    cfg.train_dataloader.dataset.pipeline[2].update(
        shift_prob=0.0, scale_prob=0.0, rotate_prob=0.0, scale_type='long'
    )
    data = small_dataset(cfg.train_dataloader.dataset, tmp_path)
    head = MODELS.build(cfg.model.head)
    targets = head.decoder.targets([data[i]['data_samples'] for i in range(2)])
    left_out = (targets['heatmap_weights'] == 0).float().mean((1, 2, 3))
    assert 0.03 < left_out[0] < 0.1 and left_out[1] == 0  # 10 of 160 columns


def test_tests_whole_images_of_any_shape(root, tmp_path):
    """With ``expand``, the longer side exceeds 512, and keypoints stay where they are."""
    write_images(tmp_path)
    cfg = load(root, 'cluster_hourglass4_512x512')
    data = small_dataset(cfg.val_dataloader.dataset, tmp_path)
    sample = data[0]
    assert sample['inputs'].shape == (3, 512, 704)
    model = shrink(cfg).eval()
    batch = model.data_preprocessor(
        dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]), False
    )
    maps = dict(heatmaps=torch.zeros(1, 17, 128, 176), tags=torch.zeros(1, 17, 128, 176))
    maps['heatmaps'][:, :, 60, 100] = 1
    model.backbone.forward = lambda x: ({'sparse': maps},)
    model.test_cfg.flip_test = False
    (result,) = model(**batch, mode='predict')
    expected = (np.array([100, 60]) + 0.5) * 4 - 0.5
    scale = np.array([160 * 704 / (160 * 512 / 120), 120]) / (704, 512)
    expected = expected * scale + np.array([80, 60]) - 0.5 * scale * (704, 512)
    people = result.pred_instances
    assert people.keypoints.shape == (1, 17, 2)
    assert np.abs(people.keypoints - expected).max() < 0.5
    metric = METRICS.build(dict(cfg.val_evaluator, ann_file=str(tmp_path / 'people.json')))
    metric.dataset_meta = data.metainfo
    metric.process([], [result.to_dict()])
    assert metric.evaluate(1)['coco/AP'] == 0  # a person in one point
