# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""`--launcher pytorch` with two gloo processes on a CPU agrees with one process."""

import os
import subprocess
import sys
from pathlib import Path

import mmpose
import pytest
import torch

from mmpose_ext.engine import load_checkpoint_safely

TRAIN_TOOL = Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'
ROOT = Path(__file__).resolve().parents[2]

# records the losses of each process; mmengine logs only those of the first
LOSSES = """
import json, os
from pathlib import Path
from mmengine.hooks import Hook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class NoteLossHook(Hook):
    def before_train(self, runner):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss']))

    def after_train(self, runner):
        Path(runner.work_dir, f'losses{runner.rank}.json').write_text(json.dumps(self.losses))
"""


@pytest.fixture
def train(make_config, tmp_path):
    """Return ``train(processes)``, with a total batch of 2 and the same statistics for each."""
    (tmp_path / 'note_losses.py').write_text(LOSSES)

    def run(processes: int) -> Path:
        work_dir = tmp_path / f'work{processes}'
        cfg = make_config(work_dir, **{'train_dataloader.batch_size': 2 // processes})
        cfg.custom_imports.imports.append('note_losses')
        cfg.custom_hooks = [dict(type='NoteLossHook')]
        cfg.env_cfg = dict(dist_cfg=dict(backend='nccl'))  # the configs' own
        # with split batches, the normalization would see only halves
        norm = dict(type='GN', num_groups=4)
        cfg.model.backbone.norm_cfg = norm
        cfg.model.head.deconv_out_channels = None
        cfg.model.head.deconv_kernel_sizes = None
        cfg.model.head.decoder.heatmap_size = (1, 1)
        for transform in cfg.train_dataloader.dataset.pipeline:
            if transform.type == 'GenerateTarget':
                transform.encoder = cfg.model.head.decoder
        cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05))
        cfg.dump(tmp_path / f'config{processes}.py')
        launch = [sys.executable]
        if processes > 1:
            launch += ['-m', 'torch.distributed.run', f'--nproc_per_node={processes}']
            launch += ['--rdzv-backend=c10d', '--rdzv-endpoint=localhost:0']
        command = [*launch, str(TRAIN_TOOL), str(tmp_path / f'config{processes}.py')]
        if processes > 1:
            command += ['--launcher', 'pytorch']
        search = os.pathsep.join([str(ROOT), str(tmp_path), os.environ.get('PYTHONPATH', '')])
        result = subprocess.run(
            command,
            env=dict(os.environ, PYTHONPATH=search, OMP_NUM_THREADS='1'),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert result.returncode == 0, (result.stdout + result.stderr)[-9000:]
        return work_dir

    return run


def losses(work_dir: Path, rank: int) -> torch.Tensor:
    return torch.tensor(eval((work_dir / f'losses{rank}.json').read_text()))


def test_two_processes_equal_one(train):
    one, two = train(1), train(2)
    expected = losses(one, 0)
    assert len(expected) == 9  # three epochs of three batches
    halves = losses(two, 0), losses(two, 1)
    assert (halves[0] - halves[1]).abs().min() > 1e-6  # each process has different images
    torch.testing.assert_close((halves[0] + halves[1]) / 2, expected, rtol=1e-4, atol=1e-7)
    weights = [load_checkpoint_safely(w / 'epoch_3.pth')['state_dict'] for w in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-5, msg=name)
