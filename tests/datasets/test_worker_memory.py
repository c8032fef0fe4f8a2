# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The private memory of a data worker does not grow with the data set."""

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmpose_ext.datasets import speed_up_dataset
from mmpose_ext.datasets.fast.people_table import PeopleTable

PEOPLE = 3  # an image


def write_people(folder: Path, number: int) -> Path:
    """Write annotations of this many people, without images."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(10, 200, (17, 2)), np.full((17, 1), 2)], 1).round(1)
    polygon = rng.uniform(10, 200, 60).round(2).tolist()
    common = dict(category_id=1, bbox=[10, 10, 190, 190], area=9000.0, iscrowd=0, num_keypoints=17)
    common.update(keypoints=points.ravel().tolist(), segmentation=[polygon])
    images = [
        dict(id=i, file_name=f'{i}.jpg', width=320, height=240) for i in range(number // PEOPLE)
    ]
    people = [dict(common, id=i, image_id=i // PEOPLE) for i in range(number // PEOPLE * PEOPLE)]
    file = folder / f'{number}.json'
    content = dict(images=images, annotations=people, categories=[dict(id=1, name='person')])
    file.write_text(json.dumps(content))
    return file


def private_bytes() -> int:
    """Return the bytes of this process's memory that no other process shares."""
    lines = Path('/proc/self/smaps_rollup').read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith('Private_'))


def read_all(dataset) -> None:
    """Read the annotations one by one."""
    for index in range(len(dataset)):
        dataset.get_data_info(index)


def growth_of_a_worker(dataset, read=read_all) -> int:
    """Return the growth of a process's private memory while it reads all annotations."""
    receive, send = multiprocessing.Pipe(duplex=False)
    if os.fork() == 0:
        before = private_bytes()
        read(dataset)
        send.send(private_bytes() - before)
        os._exit(0)
    grown = receive.recv()
    os.wait()
    return grown


def build(folder: Path, number: int, mode: str):
    with DefaultScope.overwrite_default_scope('mmpose'):
        dataset = DATASETS.build(
            dict(
                type='CheckedCocoDataset',
                ann_file=str(write_people(folder, number)),
                data_mode=mode,
                check_images=False,
            )
        )
    speed_up_dataset(dataset)
    assert len(dataset) == number // (PEOPLE if mode == 'bottomup' else 1)
    return dataset


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='needs Linux')
@pytest.mark.parametrize(
    'number, mode',
    [
        (3_000, 'topdown'),
        (3_000, 'bottomup'),
        pytest.param(150_000, 'topdown', marks=pytest.mark.long),
        pytest.param(150_000, 'bottomup', marks=pytest.mark.long),
    ],
)
def test_does_not_grow(number, mode, tmp_path):
    """The annotations of 3,000 people take 4 MB, those of 150,000 people 200 MB."""
    assert growth_of_a_worker(build(tmp_path, number, mode)) < 16e6


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='needs Linux')
@pytest.mark.parametrize('number', [3_000, pytest.param(150_000, marks=pytest.mark.long)])
def test_does_not_grow_by_batches(number, tmp_path):
    """Workers take the annotations of whole batches from arrays that they share."""

    def read(table):
        for start in range(0, number, 60):
            indices = list(range(start, start + 60))
            arrays = table.take(indices)
            assert arrays['keypoints'].shape == (60, 1, 17, 2)
            assert all(len(table.pickled(i)) and table.sources[i] for i in indices)

    table = PeopleTable(build(tmp_path, number, 'topdown'))
    assert growth_of_a_worker(table, read) < 16e6


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='needs Linux')
def test_growth_is_noticed():
    """Reading Python objects changes their reference counts, and so copies their pages."""

    class Plain(list):
        def get_data_info(self, index):
            return self[index]

    assert growth_of_a_worker(Plain([str(i) * 20 for i in range(300_000)])) > 16e6
