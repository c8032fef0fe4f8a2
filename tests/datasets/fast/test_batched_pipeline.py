# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Batches prepared as a whole equal samples prepared one by one."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from mmpose_ext.datasets.fast import (
    BatchedPipeline,
    FastMSRAHeatmap,
    FastRandomBBoxTransform,
    collate_samples,
    prepare_in_batches,
    speed_up_dataset,
)
from mmpose_ext.datasets.fast.packed_people import AnnotatedSample
from mmpose_ext.engine.sample_seeds import SampleSeeds

from .conftest import build, topdown_pipeline
from .test_pipeline import assert_same

CODECS = dict(
    msra=dict(type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2),
    dark=dict(
        type='MSRAHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2, unbiased=True
    ),
    udp=dict(type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2),
    offsets=dict(
        type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), heatmap_type='combined'
    ),
    regression=dict(type='RegressionLabel', input_size=(96, 128)),
    simcc=dict(type='SimCCLabel', input_size=(96, 128), sigma=6.0, simcc_split_ratio=2.0),
    frsbn=dict(type='FullResolutionHeatmap', input_size=(96, 128), sigma=4, draw_on_device=True),
)


def pipeline_of(codec='msra', **affine):
    pipeline = topdown_pipeline(**affine)
    pipeline[2] = dict(type='RandomFlip', direction='horizontal')
    pipeline[6] = dict(type='GenerateTarget', encoder=dict(CODECS[codec]))
    return pipeline


def build_fast(people, pipeline, **settings):
    dataset = build(people, copy.deepcopy(pipeline), **settings)
    speed_up_dataset(dataset)
    return dataset


def assert_batch_is(batch, items):
    """Check a batch's pixels and data samples, in this process and after pickling."""
    batch = collate_samples(batch)
    assert torch.equal(batch['inputs'], torch.stack([item['inputs'] for item in items]))
    for copied in (batch, pickle.loads(pickle.dumps(batch, 5))):
        samples = copied['data_samples'].samples()
        assert len(samples) == len(items)
        for sample, item in zip(samples, items):
            assert_same(dict(data_samples=sample), item)


def compare(dataset, rounds=3):
    """Prepare samples both ways with the same state of the random generators."""
    batched = BatchedPipeline(dataset)
    rng = np.random.default_rng(0)
    for seed in range(rounds):
        indices = rng.permutation(len(dataset))[:16].tolist()
        np.random.seed(seed)
        items, state = [dataset[index] for index in indices], np.random.rand()
        np.random.seed(seed)
        batch, batched_state = batched(indices), np.random.rand()
        assert state == batched_state
        assert_batch_is(batch, items)


@pytest.mark.parametrize('codec', CODECS)
def test_is_one_by_one(people, codec):
    compare(build_fast(people, pipeline_of(codec)))


@pytest.mark.parametrize(
    'change',
    [
        lambda steps: steps[5].update(use_udp=True),
        lambda steps: steps.insert(1, steps.pop(2)),  # flip before the center is computed
        lambda steps: steps.__delitem__(slice(2, 5)),  # no augmentation
        lambda steps: steps.__setitem__(4, dict(type='ClippedNormalBBoxTransform')),
        lambda steps: steps[3].update(prob=1.0, min_total_keypoints=1),
        lambda steps: steps.insert(6, dict(type='RandomShear', prob=0.7)),
        lambda steps: steps[-1].update(meta_keys=('id', 'flip', 'sample_idx', 'img_path')),
    ],
    ids=['udp', 'flip-first', 'plain', 'clipped', 'half-bodies', 'shear', 'meta-keys'],
)
def test_pipelines(people, change):
    pipeline = pipeline_of()
    change(pipeline)
    compare(build_fast(people, pipeline))


def test_half_bodies_of_invisible_keypoints(people):
    """Half bodies depend on which keypoints are labeled; here, some are not."""
    dataset = build_fast(people, pipeline_of())
    batched = BatchedPipeline(dataset)
    visible = batched.table.arrays['keypoints_visible']
    visible[:] = np.random.default_rng(0).random(visible.shape) < 0.6
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    for info, seen in zip(infos, visible):
        info['keypoints_visible'] = seen
    np.random.seed(3)
    items = [dataset.pipeline(dict(info, dataset=dataset)) for info in infos]
    np.random.seed(3)
    assert_batch_is(batched(list(range(len(infos)))), items)


def test_config_of_mmposes_own(people):
    from mmengine.hub import get_config

    cfg = get_config(
        'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py'
    )
    pipeline = Config(dict(p=cfg.train_dataloader.dataset.pipeline)).to_dict()['p']
    compare(build_fast(people, pipeline), rounds=1)


@pytest.mark.parametrize('workers', [0, 2])
def test_loader_takes_batches(people, workers):
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    loader = DataLoader(dataset, batch_size=8, num_workers=workers, collate_fn=collate_samples)
    whole = [batch for batch in loader]
    assert [len(batch['data_samples']) for batch in whole] == [8, 8, 8, 6]
    assert whole[-1]['inputs'].shape == (6, 3, 128, 96)
    (sample, *_) = whole[0]['data_samples'].samples()
    assert sample.gt_fields.heatmaps.shape == (17, 32, 24)
    assert sample.raw_ann_info['id'] == sample.id == 1


def test_annotation_is_read_when_asked_for(people, monkeypatch):
    batch = BatchedPipeline(build_fast(people, pipeline_of()))([4, 5])
    sample = batch['data_samples'].samples()[1]
    assert 'img_path' not in vars(sample) and 'img_path' in sample
    assert not hasattr(sample, 'nothing')
    sample.set_metainfo(dict(category_id=7))
    for other in (copy.deepcopy(sample), pickle.loads(pickle.dumps(sample)), sample.clone()):
        assert other.img_path == sample.img_path and other.id == 6
        assert other.category_id == 7  # set by hand


def test_annotation_can_be_removed(people):
    """Values can be taken out of a sample before anything has been read."""
    batched = BatchedPipeline(build_fast(people, pipeline_of()))

    def sample():
        return batched([4])['data_samples'].samples()[0]

    assert sample().pop('id') == sample().pop('id', None) == 5
    assert sample().pop('nothing', 7) == 7
    for remove in (lambda s: s.pop('img_path'), lambda s: s.__delitem__('img_path')):
        removed = sample()
        remove(removed)
        assert 'img_path' not in removed and not hasattr(removed, 'img_path')
    removed = sample()
    removed.set_metainfo(dict(img_path='by hand'))
    del removed.img_path
    assert not hasattr(removed, 'img_path') and removed.id == 5
    with pytest.raises(AttributeError):
        del removed.img_path


def test_tensors_move_to_the_device(people):
    """All tensors move, and the heatmaps too; the meta device keeps shapes and types."""
    batch = BatchedPipeline(build_fast(people, pipeline_of()))([0, 1, 2])['data_samples']
    for samples in (batch, pickle.loads(pickle.dumps(batch, 5))):
        for sample in samples.to('meta'):
            heatmaps, weights = sample.gt_fields.heatmaps, sample.gt_instance_labels
            assert heatmaps.device.type == weights.keypoint_weights.device.type == 'meta'
            assert heatmaps.shape == (17, 32, 24) and heatmaps.dtype == torch.float32
            assert isinstance(sample.gt_instances.keypoints, np.ndarray)


def test_values_on_the_device(people, monkeypatch):
    """A batch out of a worker's memory has the same heatmaps and weights on the device."""
    batch = BatchedPipeline(build_fast(people, pipeline_of()))([0, 1, 2])['data_samples']
    moved = pickle.loads(pickle.dumps(batch, 5))
    monkeypatch.setattr(torch.Tensor, 'to', lambda tensor, *_, **__: tensor.clone())  # no GPU
    for there, here in zip(moved.to('cuda'), batch.samples()):
        assert torch.equal(there.gt_fields.heatmaps, here.gt_fields.heatmaps)
        there, here = there.gt_instance_labels, here.gt_instance_labels
        assert torch.equal(there.keypoint_weights, here.keypoint_weights)


@pytest.mark.parametrize(
    'change, why',
    [
        (lambda steps: steps.insert(6, dict(type='PhotometricDistortion')), 'PhotometricDist'),
        (lambda steps: steps[2].update(direction='vertical'), 'FastRandomFlip'),
        (lambda steps: steps[0].update(ignore_empty=True), 'decoded late'),
        (lambda steps: steps[0].update(to_float32=True), 'decoded late'),
        (lambda steps: steps.append(dict(type='RandomFlip')), 'last transforms'),
        (lambda steps: steps[-1].update(pack_transformed=True), 'last transforms'),
        (lambda steps: steps[-1].update(meta_keys=('bbox_rotation',)), 'bbox_rotation'),
        (lambda steps: steps[-1].update(meta_keys=('bbox', 'keypoints')), 'bbox.*keypoints'),
        (lambda steps: steps[-2].update(use_dataset_keypoint_weights=True), 'more than keypoints'),
        (lambda steps: steps.insert(1, dict(type='GetBBoxCenterScale')), 'GetBBoxCenterScale'),
        (lambda steps: steps.insert(2, dict(type='RandomFlip')), 'several transforms'),
    ],
)
def test_other_pipelines_stay(people, change, why):
    pipeline = pipeline_of()
    change(pipeline)
    dataset = build_fast(people, pipeline)
    with pytest.raises(ValueError, match=why):
        BatchedPipeline(dataset)
    assert not prepare_in_batches(dataset) and not hasattr(dataset, '__getitems__')


@pytest.mark.parametrize('settings', [dict(serialize_data=False), dict(test_mode=True)])
def test_other_data_sets_stay(people, settings):
    assert not prepare_in_batches(build_fast(people, pipeline_of(), **settings))


def test_whole_images_stay(people):
    pipeline = [dict(type='LoadImage'), dict(type='BottomupRandomAffine', input_size=(96, 96))]
    assert not prepare_in_batches(build_fast(people, pipeline, mode='bottomup'))


def test_replaced_pipeline_is_followed(people):
    """mmpose's hooks can replace the pipeline during training."""
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    dataset.pipeline = build(people, pipeline_of('regression')).pipeline
    batch = collate_samples(dataset.__getitems__([0, 1]))
    assert 'keypoint_labels' in batch['data_samples'].samples()[0].gt_instance_labels


def assert_one_by_one(dataset):
    """Check that a batch has the samples in the data set."""
    indices = list(range(0, len(dataset), 3))
    np.random.seed(1)
    items = [dataset[index] for index in indices]
    np.random.seed(1)
    assert_batch_is(dataset.__getitems__(indices), items)


@pytest.mark.parametrize(
    'change',
    [
        lambda dataset: dataset.get_subset_([2, 3, 7]),
        lambda dataset: dataset.get_subset_(-6),
        lambda dataset: dataset.get_subset([2, 3, 7]),
        lambda dataset: dataset.pipeline.transforms.pop(2),  # the flip
        lambda dataset: pickle.loads(pickle.dumps(dataset)),  # for a spawned worker
        lambda dataset: copy.deepcopy(dataset),
    ],
    ids=['subset_', 'last', 'subset', 'no-flip', 'pickled', 'copied'],
)
def test_changed_data_set_is_followed(people, change):
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    changed = change(dataset)
    assert_one_by_one(changed if isinstance(changed, type(dataset)) else dataset)


@pytest.mark.parametrize('change', [pickle.dumps, copy.deepcopy])
def test_copies_still_give_batches(people, change):
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    copied = change(dataset)
    copied = pickle.loads(copied) if isinstance(copied, bytes) else copied
    assert isinstance(copied.__getitems__([0, 1]), dict)


def rewrite(dataset, change):
    """Change the annotations of a data set."""
    infos = [BaseDataset.get_data_info(dataset, index) for index in range(len(dataset))]
    for info in infos:
        info.pop('sample_idx')
        change(info)
    dataset.data_list = infos
    dataset.data_bytes, dataset.data_address = dataset._serialize_data()


@pytest.mark.parametrize(
    'change, why',
    [
        (lambda info: info.update(bbox_score=[1.0]), 'bbox_score is not an array'),
        (lambda info: info.update(keypoints=info['keypoints'].tolist()), 'keypoints is not'),
        (lambda info: info.pop('img_path'), 'no img_path'),
        (lambda info: info.update(bbox_rotation=np.full(1, 30.0)), 'not just a box'),
        (lambda info: info.update(img=np.zeros((240, 320, 3), np.uint8)), 'not just a box'),
        (lambda info: info.update(transformed_keypoints=info['keypoints']), 'not just a box'),
        (lambda info: info.update(keypoints_cam=np.zeros((1, 17, 3))), 'keypoints_cam'),
    ],
)
def test_other_annotations_stay(people, change, why):
    dataset = build_fast(people, pipeline_of())
    rewrite(dataset, change)
    with pytest.raises(ValueError, match=why):
        BatchedPipeline(dataset)
    assert not prepare_in_batches(dataset)


def test_annotations_without_id(people):
    pipeline = pipeline_of()
    pipeline[-1].update(meta_keys=('img_path', 'flip'))
    dataset = build_fast(people, pipeline)
    rewrite(dataset, lambda info: info.pop('id'))
    compare(dataset, rounds=1)


class OwnHeatmap(FastMSRAHeatmap):
    """A codec that draws random numbers."""

    def encode(self, keypoints, keypoints_visible=None):
        return super().encode(keypoints + np.random.rand(), keypoints_visible)


class OwnBoxTransform(FastRandomBBoxTransform):
    """A transform that does more than its base."""

    def transform(self, results):
        results = super().transform(results)
        return dict(results, bbox_scale=results['bbox_scale'] * 2)


def test_own_codec_stays(people):
    dataset = build_fast(people, pipeline_of())
    codec = OwnHeatmap(input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
    dataset.pipeline.transforms[-2].encoder = codec
    with pytest.raises(ValueError, match='OwnHeatmap'):
        BatchedPipeline(dataset)


def test_own_box_transform_stays(people):
    dataset = build_fast(people, pipeline_of())
    dataset.pipeline.transforms[4] = OwnBoxTransform()
    with pytest.raises(ValueError, match='OwnBoxTransform'):
        BatchedPipeline(dataset)


def test_own_mapping_table_stays(people):
    dataset = build_fast(people, pipeline_of())
    packing = dataset.pipeline.transforms[-1]
    packing.instance_mapping_table = dict(packing.instance_mapping_table, area='areas')
    with pytest.raises(ValueError, match='area'):
        BatchedPipeline(dataset)


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_seeds_of_samples_are_heeded(people, workers):
    """Each sample depends only on seed, epoch and index, not on workers or batches."""
    seeds, dataset = SampleSeeds(5), build_fast(people, pipeline_of())
    loader = DataLoader(dataset, batch_size=8, num_workers=workers, collate_fn=collate_samples)
    seeds.attach(loader)
    assert prepare_in_batches(dataset)
    for epoch in (1, 2):
        seeds.set_epoch(epoch)
        np.random.seed(9)
        batches = [batch for batch in loader]
        untouched = np.random.rand()
        for batch in batches:
            assert type(batch['data_samples'].samples()[0]) is AnnotatedSample
        items = []
        for index in range(len(dataset)):
            seeds.seed_sample(index)
            items.append(BaseDataset.__getitem__(dataset, index))
        for start, batch in zip(range(0, len(items), 8), batches):
            assert_batch_is(batch, items[start : start + 8])
        np.random.seed(9)
        assert np.random.rand() == untouched
