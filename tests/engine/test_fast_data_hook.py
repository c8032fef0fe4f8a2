# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy
import shlex

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint
from mmpose.datasets.transforms import LoadImage

from mmpose_ext.apps.main import main
from mmpose_ext.datasets import FastLoadImage
from mmpose_ext.datasets.fast.packed_people import AnnotatedSample
from mmpose_ext.datasets.pack import LoadPackedPerson, PackError
from mmpose_ext.engine import FastDataHook, load_checkpoint_safely
from mmpose_ext.engine.fast_data_hook import pack_command


@pytest.fixture
def train(make_config):
    """Train with a hook's settings and a config's ``fast_data``; return the runner."""

    def run(hook, fast_data=None, **options):
        cfg = make_config(**{'train_cfg.max_epochs': 1, **options})
        cfg.default_hooks.fast_data = dict(type='mmpose_ext.engine.FastDataHook', **hook)
        if fast_data is not None:
            cfg.fast_data = fast_data
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    return run


def loader_of(runner):
    return type(runner.train_dataloader.dataset.pipeline.transforms[0])


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_nothing_without_settings(train):
    assert loader_of(train({})) is LoadImage


@pytest.mark.parametrize('hook, fast_data', [(dict(reading=True), None), ({}, {})])
def test_learns_the_same(train, hook, fast_data):
    """The images are PNGs smaller than the input, so that only the warp's rounding differs."""
    fast = train(hook, fast_data)
    assert loader_of(fast) is FastLoadImage
    plain = weights(train({}))
    assert (plain - weights(fast)).norm() / plain.norm() < 0.05


def test_checkpoint_is_loaded_safely(train):
    """A checkpoint has the meta information of a plain training, although data sets share it."""
    metas = []
    for hook in (dict(reading=True), {}):
        runner = train(hook)
        loaded = load_checkpoint_safely(find_latest_checkpoint(runner.work_dir))
        metas.append(loaded['meta']['dataset_meta'])
    assert metas[0].keys() == metas[1].keys()
    for name in ('upper_body_ids', 'flip_pairs', 'flip_indices'):
        assert type(metas[0][name]) is list and metas[0][name] == metas[1][name]


def test_key_of_the_config_goes_first(train):
    assert loader_of(train(dict(reading=True), dict(reading=False))) is LoadImage


@pytest.mark.parametrize('workers', [0, 1])
def test_loop_by_iterations(make_config, workers):
    """A loop by iterations starts its workers with the plain pipeline, when it is built."""
    cfg = make_config()
    cfg.train_cfg = dict(by_epoch=False, max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint.by_epoch = False
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler')
    cfg.default_hooks.fast_data = dict(type='FastDataHook', reading=True)
    runner = Runner.from_cfg(cfg)
    strides = []

    def look(module, inputs):
        strides.append(inputs[0]['inputs'][0].stride()[0])

    runner.model.data_preprocessor.register_forward_pre_hook(look)
    runner.train()
    assert strides[:2] == [1, 1]  # the fast packing's


def test_loader_settings(make_config, monkeypatch):
    cfg = make_config(**{'train_cfg.max_epochs': 1, 'train_dataloader.num_workers': 1})
    cfg.default_hooks.fast_data = dict(type='FastDataHook', prefetch_factor=3)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.train_dataloader.prefetch_factor == 3
    assert runner.train_dataloader.pin_memory == torch.cuda.is_available()


def test_misspelled_key_is_told():
    with pytest.raises(ValueError, match='unknown redaing; the settings are reading'):
        FastDataHook(redaing=True)


@pytest.mark.parametrize('name', ['fast', 'fast_data'])
def test_base_config(root, name, tmp_path):
    """Any config here can inherit the base config for fast data."""
    config = tmp_path / 'config.py'
    bases = [root / 'configs' / 'frsbn_resnet34_256x192.py', root / f'configs/_base_/{name}.py']
    config.write_text(f'_base_ = {[str(base) for base in bases]}\n')
    cfg = Config.fromfile(config)
    assert cfg.fast_data.reading
    assert cfg.default_hooks.fast_data.type == 'FastDataHook'


def test_losses_read_late_are_the_same(train):
    histories = []
    for wait in (True, False):
        runner = train(dict(reading=False, wait_for_device=wait))
        logged = runner.message_hub.log_scalars
        histories.append(logged['train/loss'].data[0].tolist())
        assert ('train/acc_pose' in logged) == wait  # mmpose's, on the CPU
    assert len(histories[0]) == 3 and histories[0] == histories[1]


@pytest.mark.parametrize('changed', [False, True])
def test_command_in_the_error_makes_the_pack(make_config, tmp_path, changed, capsys):
    """Also with blanks in the paths, and after --cfg-options."""
    written = tmp_path / 'my config.py'
    make_config().dump(written)
    cfg = Config.fromfile(written)
    cfg.fast_data = dict(pack=str(tmp_path / 'my packs' / 'a.pack'))
    if changed:  # the folder in the file does not exist
        data = cfg.train_dataloader.dataset
        written.write_text(written.read_text().replace(str(data.data_root), '/nowhere'))
    cfg.default_hooks.fast_data = dict(type='FastDataHook')
    runner = Runner.from_cfg(cfg)
    with pytest.raises(PackError, match=r'is missing: run `mmpose-ext pack .* --out ') as caught:
        runner.train()
    _, *words = shlex.split(str(caught.value).split('`')[1])
    assert main(words) == 0, capsys.readouterr().err
    runner.call_hook('before_train')
    assert type(runner.train_dataloader.dataset.pipeline.transforms[0]) is LoadPackedPerson
    written.unlink()  # a usable pack needs no command
    runner.call_hook('before_train')


@pytest.mark.parametrize('content', [None, 'not python('])
def test_command_without_the_config_file(tmp_path, content):
    """The run's own copy takes the place of a file that is gone or cannot be read."""
    file = tmp_path / 'config.py'
    if content:
        file.write_text(content)
    assert pack_command(str(file), None, 'work') == 'mmpose-ext pack work/config.py'


@pytest.fixture
def switching(make_config, tmp_path):
    """Return a config whose pipeline draws larger people in the second epoch, and its file."""

    def make(**options):
        cfg = make_config(**{'train_cfg.max_epochs': 2, **options})
        pipeline = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
        pipeline[2:4] = [dict(type='RandomBBoxTransform', scale_factor=(1.0, 2.0))]
        hook = dict(type='mmdet.PipelineSwitchHook', switch_epoch=1, switch_pipeline=pipeline)
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
        cfg.default_hooks.fast_data = dict(type='FastDataHook', reading=True)
        file = tmp_path / 'switching.py'
        cfg.dump(file)
        return Config.fromfile(file), file

    return make


@pytest.mark.parametrize('workers', [0, 1])
def test_switched_pipeline_is_prepared(switching, workers):
    options = dict(num_workers=workers, persistent_workers=workers > 0)
    cfg, _ = switching(**{f'train_dataloader.{name}': v for name, v in options.items()})
    runner = Runner.from_cfg(cfg)
    seen = []

    def look(module, inputs):
        if module.training:
            sample = inputs[0]['data_samples'].samples()[0]
            seen.append((type(sample), 'flip' in sample))

    runner.model.data_preprocessor.register_forward_pre_hook(look)
    runner.train()
    assert seen == [(AnnotatedSample, True)] * 3 + [(AnnotatedSample, False)] * 3
    assert loader_of(runner) is FastLoadImage


def test_pack_covers_a_switched_pipeline(switching, capsys):
    """Otherwise training stops at the start, not at the switch."""
    cfg, file = switching()
    cfg.fast_data = dict(pack=True)
    assert main(['pack', str(file), '--cfg-options', 'custom_hooks=[]']) == 0, capsys.readouterr()
    with pytest.raises(PackError, match='was made for a smaller augmentation'):
        Runner.from_cfg(cfg).train()
    assert main(['pack', str(file)]) == 0, capsys.readouterr()
    cfg.experiment_name += 'again'
    runner = Runner.from_cfg(cfg)
    runner.train()
    kinds = [type(step) for step in runner.train_dataloader.dataset.pipeline.transforms]
    assert kinds[:2] == [LoadPackedPerson, FastLoadImage] and kinds.count(LoadPackedPerson) == 1
