# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Batches of whole images equal samples prepared one by one, warped by a worker or the device."""

import copy
import pickle

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mmpose_ext.datasets.fast import (
    BottomupBatches,
    EncodedImage,
    SourceImages,
    collate_samples,
    prepare_in_batches,
    speed_up_dataset,
)
from mmpose_ext.datasets.fast.deferred_warp import DeferredWarp, decode_all, warp_all
from mmpose_ext.engine import FastPoseDataPreprocessor
from mmpose_ext.engine.sample_seeds import SampleSeeds

from .conftest import KINDS, build, encode, make_picture
from .test_pipeline import BOTTOMUP, assert_same

ORDER = [3, 0, 9, 1, 5, 4, 8, 2]


def pipeline_of(jitters=1, **affine):
    pipeline = copy.deepcopy(BOTTOMUP)
    pipeline[2].update(affine)
    pipeline[1:2] *= jitters
    return pipeline


def build_fast(people, pipeline=None):
    dataset = build(people, copy.deepcopy(pipeline or pipeline_of()), 'bottomup')
    speed_up_dataset(dataset)
    return dataset


def assert_batch_is(batch, items):
    """Check data samples and pixels, which differ by the rounding of flipped images."""
    samples = batch['data_samples'].samples()
    assert len(samples) == len(items)
    for sample, item, image in zip(samples, items, batch['inputs']):
        assert_same(dict(data_samples=sample), item)
        error = (image.float() - item['inputs'].float()).abs()
        assert error.max() <= (24 if sample.flip else 0)  # 1/32 of a pixel, at edges
        assert error.mean() < 0.5


@pytest.mark.parametrize('on_device', [False, True])
@pytest.mark.parametrize(
    'affine',
    [
        dict(),
        dict(jitters=2),
        dict(jitters=0),
        dict(jitters=0, scale_type='long', scale_factor=(0.3, 0.5)),  # a part of the rows
        dict(transform_mode='affine_udp', scale_factor=(2.0, 4.0)),  # reduced while decoding
    ],
)
def test_is_one_by_one(people, affine, on_device):
    dataset = build_fast(people, pipeline_of(**affine))
    batches, flips = BottomupBatches(dataset, on_device), set()
    for seed in range(3):
        np.random.seed(seed)
        items, state = [dataset[index] for index in ORDER], np.random.rand()
        np.random.seed(seed)
        batch, batch_state = batches(ORDER, dataset), np.random.rand()
        assert state == batch_state
        if on_device:  # as it comes out of a worker
            batch = pickle.loads(pickle.dumps(batch, 5))
            assert isinstance(batch['inputs'], SourceImages)
            batch['inputs'] = batch['inputs'].warp('cpu')
        assert_batch_is(batch, items)
        flips |= {item['data_samples'].flip for item in items}
    assert flips == {False, True}


def make_sources(kinds, jitters, seed=0):
    """Decode images of several sizes with random matrices and factors; return their warps too."""
    rng, made = np.random.default_rng(seed), []
    for number, kind in enumerate(kinds):
        size = (40 + 7 * number, 64 - 5 * number)
        image = EncodedImage(encode(make_picture(number, size), kind))
        for _ in range(jitters):
            image.recolor(rng.uniform(0.6, 1.4, 3).astype(np.float32))
        turn = rng.uniform(-0.5, 0.5)
        matrix = rng.uniform(0.8, 1.6) * np.array(
            [[np.cos(turn), np.sin(turn), -8.0], [-np.sin(turn), np.cos(turn), 5.0]]
        )
        warp = DeferredWarp(image, matrix, (48, 36))
        made.append(warp.flip('horizontal') if number % 2 else warp)
    return made


def bilinear(image, matrix, size):
    """Warp (h, w, 3) pixel by pixel; 0 outside."""
    result = np.zeros((size[1], size[0], 3))
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    for v in range(size[1]):
        for u in range(size[0]):
            x, y, _ = inverse @ (u, v, 1)
            left, top = int(np.floor(x)), int(np.floor(y))
            for i, j in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
                if 0 <= i < image.shape[1] and 0 <= j < image.shape[0]:
                    result[v, u] += (1 - abs(x - i)) * (1 - abs(y - j)) * image[j, i]
    return result


def recolored(image, factors):
    """Change brightness, contrast and saturation one after the other, in float64."""
    gray = np.array([0.114, 0.587, 0.299])
    image = image * factors[0]
    mean = (image @ gray).mean()
    image = mean + factors[1] * (image - mean)
    own = (image @ gray)[..., None]
    return (own + factors[2] * (image - own)).round().clip(0, 255)


@pytest.mark.parametrize('jitters', [0, 1, 2])
def test_device_is_the_slow_reference(jitters):
    """Torch's form for GPUs, here on the CPU, differs from float64 by the rounding."""
    warps = make_sources(KINDS[:6], jitters)
    sources = decode_all(warps)
    result = sources._warp_on('cpu').permute(0, 2, 3, 1).numpy()
    images = [image.numpy()[..., :3].astype(float) for image in sources._images(sources.memory)]
    for image, factors, matrix, found in zip(images, sources.factors, sources.matrices, result):
        for one in factors:
            image = recolored(image, one.astype(float))
        expected = bilinear(image, matrix, (48, 36))
        # one level where a sum is rounded, twice with each jitter
        assert np.abs(found - expected).max() < 0.51 + 1.1 * jitters
        assert np.abs(found - expected).mean() < 0.3


@pytest.mark.parametrize('jitters', [0, 1, 2])
def test_device_is_opencv(jitters):
    """Both forms agree but for OpenCV's rounding: 1/1024 of factors, 1/32 of a pixel at edges."""
    warps = make_sources(KINDS[:8], jitters)
    sources = decode_all(warps)
    by_opencv = sources.warp('cpu')
    assert torch.equal(by_opencv, warp_all(make_sources(KINDS[:8], jitters)))
    error = (sources._warp_on('cpu').float() - by_opencv.float()).abs()
    assert error.mean() < 0.6 and error.max() <= 24


@pytest.mark.parametrize('kind', KINDS)
def test_memory_is_for_the_pixels_that_are_decoded(kind, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        'mmpose_ext.datasets.fast.deferred_warp.new_memory',
        lambda size: sizes.append(size) or torch.empty(size, dtype=torch.uint8),
    )
    image = EncodedImage(encode(make_picture(0, (67, 90)), kind))
    image.recolor(np.ones(3, np.float32))
    for scale in (1.0, 0.5, 0.3, 0.25, 0.1):
        warp = DeferredWarp(image, np.array([[scale, 0, 3], [0, scale, 2]]), (16, 12))
        sources = decode_all([warp, warp.flip('horizontal')])
        assert len(sources.memory) == sizes.pop() and not sizes


def test_device_does_not_wait():
    """No tensor is read back: the meta device has no values."""
    warped = decode_all(make_sources(KINDS[:3], 1)).warp('meta', non_blocking=True)
    assert warped.shape == (3, 3, 36, 48) and warped.device.type == 'meta'
    assert warped.dtype == torch.uint8


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('jitters', [0, 1])
def test_gpu_is_torch_on_the_cpu(jitters):
    """A GPU gives the same pixels but for rounding, and nothing waits for it."""
    sources = decode_all(make_sources(KINDS[:6], jitters))
    pinned = sources.pin_memory()
    torch.cuda.set_sync_debug_mode('error')
    try:
        warped = pinned.warp('cuda', non_blocking=True)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    error = (warped.cpu().float() - sources._warp_on('cpu').float()).abs()
    assert error.max() <= 1 and error.mean() < 0.05


@pytest.mark.parametrize('on_device', [False, True])
@pytest.mark.parametrize('workers', [0, 2])
def test_loader_takes_batches(people, workers, on_device):
    """Batches of workers, normalized by the preprocessor, with the seeds of the samples."""
    dataset, seeds = build_fast(people), SampleSeeds(3)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=collate_samples)
    seeds.attach(loader)
    done = prepare_in_batches(dataset, on_device)
    assert done == (
        'images warped on the device' if on_device else 'images warped into their batch'
    )
    preprocessor = FastPoseDataPreprocessor(mean=[1, 2, 3], std=[2, 2, 2], bgr_to_rgb=True)
    plain = build_fast(people)
    found = [preprocessor(batch) for batch in loader]
    assert [len(batch['inputs']) for batch in found] == [4, 4, 2]
    images = torch.cat([batch['inputs'] for batch in found])
    for index, image in enumerate(images):
        seeds.seed_sample(index)
        item = plain[index]
        expected = (item['inputs'].flip(0).float() - torch.tensor([1, 2, 3])[:, None, None]) / 2
        assert (image - expected).abs().mean() < 0.5


def test_changed_settings_are_followed(people):
    """A curriculum may change the transforms' settings between epochs."""
    dataset = build_fast(people)
    assert prepare_in_batches(dataset)
    affine = dataset.pipeline.transforms[2]
    affine.rotate_prob = affine.scale_prob = affine.shift_prob = 0.0
    np.random.seed(0)
    items = [dataset[index] for index in ORDER]
    np.random.seed(0)
    batch = dataset.__getitems__(ORDER)
    assert isinstance(batch, dict)
    assert_batch_is(batch, items)


def test_replaced_pipeline_is_followed(people):
    dataset = build_fast(people)
    assert prepare_in_batches(dataset)
    other = build_fast(people, [step for step in pipeline_of() if step['type'] != 'RandomFlip'])
    dataset.pipeline = other.pipeline
    np.random.seed(0)
    items = [dataset[index] for index in ORDER]
    np.random.seed(0)
    batch = collate_samples(dataset.__getitems__(ORDER))
    assert all('flip' not in sample for sample in batch['data_samples'].samples())
    assert torch.equal(batch['inputs'], torch.stack([item['inputs'] for item in items]))


@pytest.mark.parametrize(
    'change, why',
    [
        (lambda steps: steps.insert(4, dict(type='PhotometricDistortion')), 'PhotometricDist'),
        (lambda steps: steps.insert(1, dict(type='PhotometricDistortion')), 'FastLoadImage'),
        (lambda steps: steps[0].update(to_float32=True), 'FastLoadImage'),
        (lambda steps: steps[2].update(pad_val=9), 'FastLoadImage'),
        (lambda steps: steps.append(dict(type='RandomFlip')), 'FastPackPoseInputs'),
        (lambda steps: steps.__setitem__(slice(2, 5), []), 'FastLoadImage'),
    ],
)
def test_other_pipelines_stay(people, change, why):
    pipeline = pipeline_of()
    change(pipeline)
    dataset = build_fast(people, pipeline)
    with pytest.raises(ValueError, match=why):
        BottomupBatches(dataset)
    assert prepare_in_batches(dataset) == ''


@pytest.mark.parametrize('on_device', [False, True])
@pytest.mark.parametrize('decoded', [(0, 1, 2), (1,)])
def test_decoded_images_are_taken(people, decoded, on_device):
    """Annotations or inner data sets may give all or some images."""
    dataset = build_fast(people)
    look_up = dataset.get_data_info

    def with_image(index):
        info = look_up(index)
        return dict(info, img=cv2.imread(info['img_path'])) if index in decoded else info

    dataset.get_data_info = with_image
    assert BottomupBatches(dataset)
    np.random.seed(0)
    items = [dataset[index] for index in range(3)]
    assert prepare_in_batches(dataset, on_device)
    np.random.seed(0)
    assert_batch_is(collate_samples(dataset.__getitems__([0, 1, 2])), items)


@pytest.mark.parametrize('at', [1, -1])
def test_function_among_the_transforms(people, at):
    """A function may read the pixels, before and after the affine."""
    dataset = build(people, pipeline_of(), 'bottomup')
    dataset.pipeline.transforms.insert(at, lambda results: results)
    assert ('LoadImage' in speed_up_dataset(dataset)) == (at == -1)
    with pytest.raises(ValueError, match='function' if at == -1 else 'FastLoadImage'):
        BottomupBatches(dataset)
    assert prepare_in_batches(dataset) == ''
    assert dataset[0]['inputs'].shape == (3, 128, 128)
