# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import functools
import http.server
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import write_legacy
from mmengine.runner import Runner, load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint
from mmpose.apis import init_model

import mmpose_ext.safe_loading  # noqa: F401
from mmpose_ext.engine import (
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    install_safe_loading,
    load_checkpoint_safely,
)


class Payload:
    """An object whose unpickling makes a folder, the side effect that must not happen."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.fixture
def malicious(tmp_path):
    """Return a checkpoint with good weights and a payload, and the payload's target."""
    target = tmp_path / 'code_was_run'
    path = tmp_path / 'malicious.pth'
    content = dict(state_dict={'weight': torch.zeros(2)}, meta=dict(note=Payload(target)))
    torch.save(content, path)
    yield str(path)
    assert not target.exists()


def test_payload_works_when_unpickled_fully(tmp_path):
    # Otherwise the tests below would pass whatever the loader did.
    target = tmp_path / 'ran'
    torch.save(dict(note=Payload(target)), tmp_path / 'file.pth')
    torch.load(tmp_path / 'file.pth', weights_only=False)
    assert target.exists()


def test_refusal_names_file_and_class(malicious):
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir.*weights only') as info:
        load_checkpoint_safely(malicious)
    assert '\n' not in str(info.value)


def test_load_checkpoint_refuses(malicious):
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir'):
        load_checkpoint(torch.nn.Linear(2, 1), malicious)


@pytest.mark.parametrize('resume', [True, False])
def test_runner_refuses(malicious, make_config, resume):
    runner = Runner.from_cfg(make_config(load_from=malicious, resume=resume))
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir'):
        runner.train()


def test_runner_test_refuses(malicious, make_config):
    runner = Runner.from_cfg(make_config(load_from=malicious))
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir'):
        runner.test()


def test_init_model_refuses(malicious, make_config):
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir'):
        init_model(make_config(), malicious, device='cpu')


def test_init_cfg_refuses(malicious, make_config):
    config = make_config()
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=malicious)
    with pytest.raises(UnsafeCheckpointError, match=r'malicious\.pth.*mkdir'):
        Runner.from_cfg(config).train()


@pytest.mark.parametrize('protocol', [2, 4])
def test_plain_pickle_is_not_run(tmp_path, protocol):
    path = tmp_path / 'plain.pth'
    with open(path, 'wb') as file:
        pickle.dump(Payload(tmp_path / 'ran'), file, protocol=protocol)
    with pytest.raises((UnsafeCheckpointError, UnreadableCheckpointError), match='plain.pth'):
        load_checkpoint_safely(path)
    assert not (tmp_path / 'ran').exists()


def test_getattr_reaches_history_buffers_only(tmp_path):
    # mmengine's own checkpoints hold getattr(HistoryBuffer, 'mean'); nothing else may use it.
    class Reach:
        def __reduce__(self):
            return getattr, (np.ndarray, 'tofile')

    path = tmp_path / 'reach.pth'
    torch.save(dict(state_dict={}, note=Reach()), path)
    with pytest.raises(UnsafeCheckpointError, match=r'reach\.pth.*getattr.*tofile'):
        load_checkpoint_safely(path)


def test_environment_cannot_switch_it_off(malicious, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    with pytest.raises(UnsafeCheckpointError):
        load_checkpoint_safely(malicious)


@pytest.fixture
def http_folder(tmp_path):
    """Return a folder and the address at which a local server offers its files."""
    folder = tmp_path / 'served'
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_http_refuses(malicious, http_folder, monkeypatch, tmp_path):
    folder, address = http_folder
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    os.rename(malicious, folder / 'file.pth')
    with pytest.raises(UnsafeCheckpointError, match=r'http://.*file\.pth.*mkdir'):
        _load_checkpoint(f'{address}/file.pth')
    assert os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] == '1'
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_http_loads_real_checkpoint(trained, http_folder, monkeypatch, tmp_path):
    folder, address = http_folder
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    os.symlink(trained / 'epoch_2.pth', folder / 'epoch_2.pth')
    checkpoint = _load_checkpoint(f'{address}/epoch_2.pth')
    assert checkpoint['meta']['epoch'] == 2


def test_every_scheme_is_safe():
    install_safe_loading()
    assert {'', 'http://', 'https://'} <= set(CheckpointLoader._schemes)
    for loader in CheckpointLoader._schemes.values():
        assert loader.loads_weights_only


def test_real_training_checkpoint_loads_equal(trained):
    """Optimizer, schedulers, EMA and message hub are the same as with full unpickling."""
    path = trained / 'epoch_2.pth'
    safe, full = load_checkpoint_safely(path), torch.load(path, weights_only=False)
    assert {'optimizer', 'param_schedulers', 'ema_state_dict', 'message_hub'} <= set(safe)
    assert safe.keys() == full.keys()
    for key, value in full['state_dict'].items():
        assert torch.equal(safe['state_dict'][key], value)
    scalars = safe['message_hub']['log_scalars']['train/loss']
    expected = full['message_hub']['log_scalars']['train/loss']
    assert scalars.statistics('mean') == expected.statistics('mean')
    assert safe['meta']['cfg'] == full['meta']['cfg']  # plain data: kept
    best = safe['message_hub']['runtime_info']['best_score']
    assert best == full['message_hub']['runtime_info']['best_score']


@pytest.mark.parametrize('module', ['numpy.core.multiarray', 'numpy._core.multiarray'])
def test_arrays_of_both_numpy_versions_load(tmp_path, module):
    content = dict(state_dict={}, array=np.arange(3), flag=np.bool_(True), text=np.array(['a']))
    torch.save(content, tmp_path / 'new.pth')
    raw = (tmp_path / 'new.pth').read_bytes()
    written = 'numpy._core.multiarray' if b'numpy._core' in raw else 'numpy.core.multiarray'
    if module != written:
        pickled = pickle.dumps(content, protocol=2).replace(written.encode(), module.encode())
        path = tmp_path / 'other.pth'
        write_legacy(path, pickled)
    else:
        path = tmp_path / 'new.pth'
    loaded = load_checkpoint_safely(path)
    assert loaded['array'].tolist() == [0, 1, 2] and loaded['flag']
    assert loaded['text'].tolist() == ['a']


def _truncated(path: Path, source: Path) -> None:
    data = source.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    'write',
    [
        lambda path, source: path.write_bytes(b''),  # empty
        lambda path, source: path.write_text('a text file\n' * 50),  # another kind of file
        lambda path, source: path.write_bytes(bytes(range(256)) * 20),  # noise
        lambda path, source: torch.save(torch.zeros(3), path),  # no dict
        _truncated,
    ],
    ids=['empty', 'text', 'noise', 'tensor', 'truncated'],
)
def test_unreadable_files_are_named(tmp_path, trained, write):
    path = tmp_path / 'broken.pth'
    write(path, trained / 'epoch_2.pth')
    with pytest.raises(UnreadableCheckpointError, match=r'broken\.pth') as info:
        _load_checkpoint(str(path))
    assert '\n' not in str(info.value)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'missing\.pth.*no such file'):
        _load_checkpoint(str(tmp_path / 'missing.pth'))
    with pytest.raises(FileNotFoundError, match='a folder'):
        _load_checkpoint(str(tmp_path))


def test_resume_does_not_run_config_text(trained, make_config, tmp_path):
    """mmengine runs meta['config'] as Python when it resumes."""
    target = tmp_path / 'code_was_run'
    checkpoint = torch.load(trained / 'epoch_2.pth', weights_only=False)
    code = f'import os\nos.mkdir({str(target)!r})\n'
    checkpoint['meta'].update(config=code, cfg=code)
    checkpoint['message_hub']['runtime_info']['cfg'] = code
    torch.save(checkpoint, tmp_path / 'config.pth')
    config = make_config(load_from=str(tmp_path / 'config.pth'), resume=True)
    Runner.from_cfg(config).train()
    assert not target.exists()
    loaded = load_checkpoint_safely(tmp_path / 'config.pth')
    assert 'config' not in loaded['meta'] and 'cfg' not in loaded['meta']
    assert 'cfg' not in loaded['message_hub']['runtime_info']
