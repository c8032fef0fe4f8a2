# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmpose_ext.engine import batch_size_hook


def messages(monkeypatch, batch=128, processes=1, accumulated=1, scaling=dict(base_batch_size=128)):
    said = []
    monkeypatch.setattr(batch_size_hook, 'print_log', lambda text, **_: said.append(text))
    monkeypatch.setattr(batch_size_hook, 'get_world_size', lambda: processes)
    runner = SimpleNamespace(
        cfg=Config(dict(auto_scale_lr=scaling) if scaling else {}),
        train_dataloader=SimpleNamespace(batch_size=batch),
        optim_wrapper=SimpleNamespace(_accumulative_counts=accumulated),
    )
    batch_size_hook.BatchSizeHook().before_train(runner)
    return said


# cases: settings that give 128 samples, and settings with which the hook is silent
@pytest.mark.parametrize(
    'setting',
    [
        dict(),
        dict(batch=16, processes=8),
        dict(batch=32, accumulated=4),
        dict(batch=64, scaling=dict(base_batch_size=128, enable=True)),
        dict(batch=64, scaling=None),
    ],
)
def test_silent(monkeypatch, setting):
    assert messages(monkeypatch, **setting) == []


@pytest.mark.parametrize(
    ('setting', 'samples', 'remedy'),
    [
        (dict(batch=64), 64, 'train_dataloader.batch_size=128'),
        (dict(processes=8), 1024, 'train_dataloader.batch_size=16'),
    ],
)
def test_another_batch_is_named_with_its_remedies(monkeypatch, setting, samples, remedy):
    (text,) = messages(monkeypatch, **setting)
    assert f'uses {samples} samples per step' in text and 'is for 128' in text
    assert remedy in text and 'auto_scale_lr.enable=True' in text


def test_the_page_quotes_the_message(monkeypatch, root):
    (text,) = messages(monkeypatch, processes=8)
    assert text in ' '.join((root / 'docs' / 'fast-training.md').read_text().split())
