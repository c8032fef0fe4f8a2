# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""In two thousand steps on synthetic people, neither memory nor open files grow."""

import json
from pathlib import Path
from statistics import median

import pytest
from nursery_client import Nursery

from mmpose_ext.apps.synthetic import generate

STEPS = 2000


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Generate sixteen small synthetic images."""
    return generate(
        tmp_path_factory.mktemp('synthetic') / 'data',
        dict(train=16, val=4, test=0),
        people=(1, 2),
        image_size=(96, 96),
        progress=False,
    )


# one epoch, whose data workers live to its end; many, with validation and checkpoints between
@pytest.mark.long
@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='no /proc on this system')
@pytest.mark.parametrize('epochs', [1, 20])
def test_memory_and_files_stay(data, config_in, tmp_path, epochs):
    work = tmp_path / 'work'
    cfg = config_in(work, **{'log_level': 'ERROR', 'train_cfg.max_epochs': epochs})
    for name in ('train', 'val'):
        loader = cfg[f'{name}_dataloader']
        loader.num_workers = 2
        loader.dataset.update(
            data_root=str(data),
            ann_file=f'annotations/person_keypoints_{name}.json',
            data_prefix=dict(img=f'{name}/'),
        )
    cfg.val_evaluator = dict(type='EPE')
    dataset = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=dataset, times=400)
    cfg.train_dataloader.num_batch_per_epoch = STEPS // epochs
    cfg.custom_hooks = [dict(type='NoteMemoryHook')]
    cfg.dump(tmp_path / 'config.py')
    nursery = Nursery(tmp_path)
    assert nursery.train(config=str(tmp_path / 'config.py'), work_dir=str(work)) == 0
    nursery.close()
    notes = [json.loads(line) for line in (work / 'memory.jsonl').read_text().splitlines()]
    assert notes[-1]['step'] >= STEPS - 10 and {note['number'] for note in notes} == {2}

    def typical(key, first):
        return median(note[key] for note in notes if first <= note['step'] < first + 100)

    for key in ('process', 'workers'):
        before, after = typical(key, 500), typical(key, STEPS - 100)
        assert after <= 1.02 * before, f'{key}: {before / 2**20:.1f} to {after / 2**20:.1f} MiB'
    assert typical('files', 500) == typical('files', STEPS - 100)
