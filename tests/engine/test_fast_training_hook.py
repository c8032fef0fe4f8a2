# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import RepeatDataset
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.utils import digit_version
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import DATASETS
from torch.utils.data import Subset

from mmpose_ext.datasets.transforms import LoadTurboJpegImage
from mmpose_ext.datasets.transforms.turbojpeg_image import has_turbojpeg
from mmpose_ext.engine import fast_training_hook
from mmpose_ext.engine.fast_data_hook import FastData
from mmpose_ext.engine.fast_training_hook import FastTraining, speed_up, use_turbojpeg
from mmpose_ext.utils.compat import compile_in_place


@pytest.fixture
def train(make_config):
    """Train for an epoch; return the runner, and dtypes and layouts in the model."""

    def run(settings, **options):
        seen = {}
        cfg = make_config(**{'train_cfg.max_epochs': 1, **options})
        cfg.default_hooks.fast_training = dict(type='FastTrainingHook')
        if settings is not None:
            cfg.fast_training = settings
        runner = Runner.from_cfg(cfg)

        def look(module, inputs, output):
            seen[module.training] = (
                output.dtype,
                output.is_contiguous(memory_format=torch.channels_last),
            )

        runner.model.backbone.layer1[0].conv1.register_forward_hook(look)
        runner.train()
        return runner, seen

    return run


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_nothing_without_settings(train):
    assert train(None)[1] == {True: (torch.float32, False), False: (torch.float32, False)}


@pytest.mark.parametrize(
    'settings, in_training, in_testing',
    [
        # memory format alone
        (dict(channels_last=True), (torch.float32, True), (torch.float32, True)),
        # bfloat16 in training alone
        (
            dict(channels_last=False, mixed_precision=True),
            (torch.bfloat16, False),
            (torch.float32, False),
        ),
        # by default, a CPU gets none of them
        (dict(), (torch.float32, False), (torch.float32, False)),
    ],
)
def test_what_the_model_calculates_in(train, settings, in_training, in_testing):
    runner, seen = train(settings)
    assert seen == {True: in_training, False: in_testing}
    assert weights(runner).dtype == torch.float32


@pytest.mark.parametrize(
    'settings, bound',
    [
        pytest.param(
            dict(channels_last=True),
            1e-4,
            marks=pytest.mark.skipif(
                digit_version(torch.__version__) < digit_version('2.1'),
                reason='torch 2.0 does not fill what a transposed convolution makes of one cell',
            ),
        ),
        (dict(mixed_precision=True), 2e-2),
    ],
)
def test_learns_the_same(train, settings, bound):
    """With plain gradient descent, the weights agree as closely as the gradients do."""
    sgd = {'optim_wrapper.optimizer': dict(type='SGD', lr=1e-2)}
    plain = weights(train(None, **sgd)[0])
    fast = weights(train(settings, **sgd)[0])
    assert 0 < (plain - fast).norm() / plain.norm() < bound


def test_checkpoint_is_a_plain_one(train):
    """Compilation in place keeps the names of the weights."""
    runner, _ = train(dict(channels_last=True))
    compile_in_place(runner.model.backbone)
    assert not [name for name in runner.model.state_dict() if '_orig_mod' in name]


def test_copied_model_is_a_model_of_its_own(train):
    """A copy, as mmengine's EMA hook makes one, must not compute with the original's weights."""
    runner, _ = train(dict(mixed_precision=True))
    copied = copy.deepcopy(runner.model).train()
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
        maps = copied.head.forward(copied.extract_feat(torch.ones(2, 3, 32, 32)))
    assert maps.dtype == torch.float32 and not maps.any()


@pytest.mark.parametrize('bfloat16', [True, False])
def test_what_a_gpu_is_given(bfloat16, monkeypatch):
    """The test checks only the decisions, without a GPU."""
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: bfloat16)
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', False)
    model = torch.nn.ModuleDict(dict(backbone=torch.nn.Conv2d(3, 2, 3), head=torch.nn.Identity()))
    done = speed_up(model, FastTraining(), torch.device('cuda'))
    expected = ['channels last', 'bfloat16', 'compiled backbone', 'cuDNN benchmark']
    assert done == [what for what in expected if what != 'bfloat16' or bfloat16]
    assert torch.backends.cudnn.benchmark
    assert model.backbone.weight.is_contiguous(memory_format=torch.channels_last)


def test_misspelled_key_is_told(train):
    with pytest.raises(ValueError, match='unknown channel_last; the settings are channels_last'):
        train(dict(channel_last=True))


def training_set(cfg):
    with DefaultScope.overwrite_default_scope('mmpose'):
        return DATASETS.build(cfg.train_dataloader.dataset)


def test_turbojpeg_replaces_the_loader(make_config):
    cfg = make_config()
    dataset = training_set(cfg)
    if not has_turbojpeg():
        with pytest.raises(ImportError, match='PyTurboJPEG'):
            use_turbojpeg(dataset)
        return
    assert type(dataset.pipeline.transforms[0]) is LoadImage
    use_turbojpeg(dataset)
    assert type(dataset.pipeline.transforms[0]) is LoadTurboJpegImage
    assert dataset[0]['inputs'].shape == (3, 32, 32)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda part: RepeatDataset(part, 2),
        lambda part: Subset(part, [0, 1]),
        lambda part: Subset(Subset(RepeatDataset(part, 2), [0, 1]), [1]),
    ],
    ids=['repeat', 'subset', 'all'],
)
def test_turbojpeg_in_wrappers(make_config, monkeypatch, wrap):
    part = training_set(make_config())
    monkeypatch.setattr(fast_training_hook, 'LoadTurboJpegImage', lambda **settings: settings)
    use_turbojpeg(wrap(part))
    assert part.pipeline.transforms[0]['ignore_empty'] is False  # mmpose's LoadImage is replaced


def test_config_shows_the_defaults(root):
    cfg = Config.fromfile(root / 'configs' / '_base_' / 'fast.py')
    assert FastTraining(**cfg.fast_training) == FastTraining()
    assert FastData(**cfg.fast_data) == FastData()
    base = Config.fromfile(root / 'configs' / '_base_' / 'fast_data.py')
    assert base.fast_data == cfg.fast_data


def test_config_to_inherit(root):
    cfg = Config.fromfile(root / 'configs' / 'fast' / 'clnet_resnet50_256x192.py')
    plain = Config.fromfile(root / 'configs' / 'clnet_resnet50_256x192.py')
    assert cfg.fast_training.cudnn_benchmark
    assert cfg.default_hooks.fast_training.type == 'FastTrainingHook'
    added = ('fast_training', 'fast_data')
    assert {k: v for k, v in cfg.items() if k not in added} == dict(plain.items())
