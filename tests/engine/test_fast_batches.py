# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The preprocessor for batches in one piece equals mmpose's, which goes image by image."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.runner import Runner
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.structures import PoseDataSample
from torch.utils.data import DataLoader

from mmpose_ext.datasets.fast import collate_samples, speed_up_dataset
from mmpose_ext.engine import FastPoseDataPreprocessor
from mmpose_ext.engine.fast_batches import batch_in_one_piece

NORMALIZED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def make_items(sizes=((20, 12), (20, 12))):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return [
        dict(
            inputs=torch.from_numpy(image).permute(2, 0, 1),
            data_samples=PoseDataSample(metainfo=dict(img_id=number)),
        )
        for number, image in enumerate(images)
    ]


@pytest.mark.parametrize(
    'settings',
    [
        dict(**NORMALIZED, bgr_to_rgb=True),
        dict(**NORMALIZED, rgb_to_bgr=True, pad_size_divisor=8, pad_value=3),
        dict(),
        dict(bgr_to_rgb=True),
    ],
)
@pytest.mark.parametrize('sizes', [((20, 12), (20, 12)), ((20, 12), (16, 16))])
def test_is_mmposes(settings, sizes):
    items = make_items(sizes)
    expected = PoseDataPreprocessor(**settings)(deepcopy(pseudo_collate(items)), training=True)
    result = FastPoseDataPreprocessor(**settings)(collate_samples(items), training=True)
    assert torch.equal(result['inputs'], expected['inputs'])
    assert result['inputs'].is_contiguous() == expected['inputs'].is_contiguous()
    for sample, other in zip(result['data_samples'], expected['data_samples']):
        assert sample.metainfo == other.metainfo


def test_other_batches_are_mmposes():
    settings = dict(**NORMALIZED, bgr_to_rgb=True)
    batch = pseudo_collate(make_items())
    expected = PoseDataPreprocessor(**settings)(deepcopy(batch))
    assert torch.equal(FastPoseDataPreprocessor(**settings)(batch)['inputs'], expected['inputs'])


def test_batch_augments_are_applied():
    class Darker(torch.nn.Module):
        def forward(self, inputs, samples):
            return inputs - 1, samples

    preprocessor = FastPoseDataPreprocessor()
    preprocessor.batch_augments = [Darker()]
    plain = preprocessor(collate_samples(make_items()))['inputs']
    darker = preprocessor(collate_samples(make_items()), training=True)['inputs']
    assert torch.equal(darker, plain - 1)


@pytest.mark.parametrize('on_device', [False, True])
def test_whole_images_are_warped_where_asked(on_device):
    from mmpose.datasets.transforms import BottomupRandomAffine, LoadImage, PackPoseInputs

    class Images(BaseDataset):
        def load_data_list(self):
            return [dict(img_path='a.jpg')]

    dataset = Images(pipeline=[LoadImage(), BottomupRandomAffine((8, 8)), PackPoseInputs()])
    speed_up_dataset(dataset)
    loader = DataLoader(dataset, batch_size=2, collate_fn=pseudo_collate)
    done = batch_in_one_piece(loader, PoseDataPreprocessor(), on_device)
    where = 'on the device' if on_device else 'into their batch'
    assert done == ['batches in one piece', f'images warped {where}']


class Other(PoseDataPreprocessor):
    pass


@pytest.mark.parametrize(
    'preprocessor, collate, done',
    [
        (PoseDataPreprocessor(), 'pseudo_collate', True),
        (Other(), 'pseudo_collate', False),
        (PoseDataPreprocessor(), 'default_collate', False),
    ],
)
def test_only_where_the_model_takes_it(preprocessor, collate, done):
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=0,
            dataset=make_items(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type=collate),
        )
    )
    first = batch_in_one_piece(loader, preprocessor)
    assert bool(first) == done
    assert (loader.collate_fn is collate_samples) == done
    assert isinstance(preprocessor, FastPoseDataPreprocessor) == done
    assert batch_in_one_piece(loader, preprocessor) == first  # again, for another pipeline
