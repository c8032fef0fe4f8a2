# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from collections import OrderedDict

import pytest
import torch
from mmengine.runner import Runner
from torch import nn

from mmpose_ext.engine import CheckpointMismatchError, load_checkpoint_safely, match_checkpoint


def small_model(width: int = 3) -> nn.Module:
    layers = OrderedDict(a=nn.Conv2d(3, width, 1), bn=nn.BatchNorm2d(width), b=nn.Linear(2, 2))
    return nn.Sequential(layers)


def test_full_match():
    model, other = small_model(), small_model()
    match = match_checkpoint(model, dict(state_dict=other.state_dict()))
    assert match.is_full() and match.matched == len(model.state_dict()) - 1  # no batch count
    assert match_checkpoint(model, other.state_dict()).is_full()  # a bare state dict


def test_each_kind_of_difference():
    state = small_model(width=4).state_dict()
    state['c.weight'] = torch.zeros(1)
    del state['b.bias']
    match = match_checkpoint(small_model(), dict(state_dict=state))
    assert match.missing == ['b.bias'] and match.unexpected == ['c.weight']
    assert match.reshaped[0] == 'a.weight: [4, 3, 1, 1] in the file, [3, 3, 1, 1] in the model'
    assert len(match.reshaped) == 6  # a.{weight,bias}, bn.{weight,bias,running_mean,running_var}
    assert match.matched == 1  # b.weight
    text = str(match)
    assert '1 keys match' in text and '1 missing in it (b.bias)' in text
    assert '6 of another shape' in text and text.endswith('...)') and '\n' not in text


def test_prefix_of_a_parallel_wrapper():
    state = {f'module.{key}': value for key, value in small_model().state_dict().items()}
    assert match_checkpoint(small_model(), dict(state_dict=state)).is_full()
    wrapped = nn.DataParallel(small_model())
    assert match_checkpoint(wrapped, dict(state_dict=small_model().state_dict())).is_full()
    assert match_checkpoint(wrapped, dict(state_dict=state)).is_full()


def test_batch_counts_may_be_missing():
    state = small_model().state_dict()
    del state['bn.num_batches_tracked']
    assert match_checkpoint(small_model(), state).is_full()


def test_hooks_for_older_checkpoints_run():
    model = small_model()

    def rename(state_dict, prefix, *args):
        state_dict['b.bias'] = state_dict.pop('b.old_bias')

    model._register_load_state_dict_pre_hook(rename)
    state = small_model().state_dict()
    state['b.old_bias'] = state.pop('b.bias')
    source = dict(state_dict=state)
    assert match_checkpoint(model, source).is_full()
    assert 'b.old_bias' in source['state_dict']  # the checkpoint itself does not change


def test_allowed_keys():
    state = small_model(width=4).state_dict()
    state['teacher.weight'] = torch.zeros(1)
    assert not match_checkpoint(small_model(), state, [r'^teacher\.']).is_full()
    assert match_checkpoint(small_model(), state, [r'^teacher\.', r'^a\.', '^bn']).is_full()


OTHER_HEAD = {'model.head.deconv_out_channels': (16, 16, 8)}


def test_testing_with_another_model(make_config, trained):
    path = str(trained / 'epoch_2.pth')
    with pytest.raises(CheckpointMismatchError, match=r'epoch_2\.pth.*another model') as info:
        Runner.from_cfg(make_config(load_from=path, **OTHER_HEAD)).test()
    message = str(info.value)
    assert 'of another shape' in message and 'head.deconv_layers' in message
    assert '\n' not in message
    assert 'EPE' in Runner.from_cfg(make_config(load_from=path)).test()


def test_testing_with_additional_keys(make_config, trained, tmp_path):
    # The checkpoint has a plugin that the config lacks; mmengine only warns.
    checkpoint = load_checkpoint_safely(trained / 'epoch_2.pth')
    checkpoint['state_dict']['backbone.plugin.weight'] = torch.zeros(2)
    torch.save(checkpoint, tmp_path / 'plugin.pth')
    config = make_config(load_from=str(tmp_path / 'plugin.pth'))
    with pytest.raises(CheckpointMismatchError, match=r'1 unknown to the model \(backbone\.plugin'):
        Runner.from_cfg(config).test()
    config.default_hooks.checkpoint_match.allowed_keys = [r'^backbone\.plugin\.']
    Runner.from_cfg(config).test()


def test_resuming_with_another_model(make_config, trained, tmp_path):
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(trained / 'epoch_2.pth'))
    with pytest.raises(CheckpointMismatchError, match=r'epoch_2\.pth.*another model'):
        Runner.from_cfg(make_config(resume=True, **OTHER_HEAD)).train()


def test_resuming_with_ema(make_config, trained):
    config = make_config(load_from=str(trained / 'epoch_2.pth'), resume=True)
    config.custom_hooks = [dict(type='EMAHook')]
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.epoch == 3


def test_ema_hook_does_not_see_another_model_first(make_config, trained):
    config = make_config(load_from=str(trained / 'epoch_2.pth'), **OTHER_HEAD)
    config.custom_hooks = [dict(type='EMAHook', strict_load=True)]
    with pytest.raises(CheckpointMismatchError):
        Runner.from_cfg(config).test()


def test_fine_tuning_takes_what_fits(make_config, trained):
    config = make_config(load_from=str(trained / 'epoch_2.pth'), **OTHER_HEAD)
    config.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.epoch == 1


def test_fine_tuning_from_what_fits_nowhere(make_config, trained, tmp_path):
    state = load_checkpoint_safely(trained / 'epoch_2.pth')['state_dict']
    backbone = {k[9:]: v for k, v in state.items() if k[:9] == 'backbone.'}
    torch.save(dict(state_dict=backbone), tmp_path / 'imagenet.pth')
    config = make_config(load_from=str(tmp_path / 'imagenet.pth'))
    with pytest.raises(CheckpointMismatchError, match=r'imagenet\.pth.*fits nowhere.*init_cfg'):
        Runner.from_cfg(config).train()
