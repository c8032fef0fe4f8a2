# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Crops of other people, boxes or augmentations never take the place of a sample's pixels."""

import shutil

import numpy as np
import pytest
from mmpose.datasets import CocoDataset
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import DATASETS, TRANSFORMS
from packs import build, pack, variant

from mmpose_ext.datasets.fast import BatchedPipeline
from mmpose_ext.datasets.pack import PackError, use_pack


@DATASETS.register_module()
class WideBoxes(CocoDataset):
    """The same people with other boxes."""

    def parse_data_info(self, raw_data_info):
        info = super().parse_data_info(raw_data_info)
        info['bbox'] = np.float32([[-200, -200, 400, 400]])
        return info


@DATASETS.register_module()
class CountedPeople(CocoDataset):
    """People by their position, as in mmpose's CocoWholeBodyHandDataset."""

    def load_data_list(self):
        return [dict(info, id=number) for number, info in enumerate(super().load_data_list())]


@TRANSFORMS.register_module()
class WideDraws(RandomBBoxTransform):
    """Draws that a pack cannot know of."""

    def _get_transform_params(self, num_bboxes):
        offset, scale, rotation = super()._get_transform_params(num_bboxes)
        return offset, np.full_like(scale, 2.5), rotation


def assert_pixels_are_the_images(packed, plain):
    """Nothing that the image shows is black."""
    for index in range(20):
        np.random.seed(index)
        expected = plain[index]['inputs'].float()
        np.random.seed(index)
        assert (packed[index]['inputs'].float() - expected).abs().mean() < 8


def test_data_sets_with_other_boxes_share_a_pack(config):
    """Each has crops of its own, under the same ids."""
    wide = variant(config, 'wide.py', "type='CocoDataset'", "type='WideBoxes'")
    assert pack(config) == 0
    with pytest.raises(PackError, match='holds 0 of the 70 people so far'):
        use_pack(build(wide))
    assert pack(wide) == 0
    for one in (config, wide):
        assert pack(one, '--check') == 0
        dataset = build(one)
        use_pack(dataset)
        assert_pixels_are_the_images(dataset, build(one))
        assert BatchedPipeline(dataset)([3, 4])['inputs'].shape == (2, 3, 64, 48)


def test_other_people_with_the_same_ids(config):
    """Without the images, too, nobody gets another person's pixels."""
    counted = variant(config, 'counted.py', "type='CocoDataset'", "type='CountedPeople'")
    assert pack(counted) == 0
    for place in ('images/', 'nowhere/'):
        settings = dict(sample_interval=2, data_prefix=dict(img=place))
        with pytest.raises(PackError, match='holds 0 of the 35 people so far'):
            use_pack(build(counted, **settings))


def test_pixels_beyond_the_crops(config, caplog):
    """They are those of the image; without it, the sample is refused."""
    wide = variant(config, 'wide.py', "'RandomBBoxTransform'", "'WideDraws'")
    assert pack(wide) == 0
    dataset = build(wide)
    use_pack(dataset)
    assert_pixels_are_the_images(dataset, build(wide))
    assert sum('shows pixels beyond its crops' in r.message for r in caplog.records) <= 1
    shutil.rmtree(config.parent / 'images')
    with pytest.raises(PackError, match='person 1002: the pipeline shows pixels beyond the crop'):
        for _ in range(20):
            dataset[1]


def test_no_draw_leaves_the_crops(config):
    """Thousands of draws of mmpose's transforms, without the images."""
    assert pack(config) == 0
    dataset = build(config)
    use_pack(dataset)
    shutil.rmtree(config.parent / 'images')
    batched = BatchedPipeline(dataset)
    np.random.seed(0)
    for _ in range(30):
        batched(list(range(70)))
