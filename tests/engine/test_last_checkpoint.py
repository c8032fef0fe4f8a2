# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch

from mmpose_ext.engine import UnreadableCheckpointError
from mmpose_ext.engine.last_checkpoint import (
    is_complete_checkpoint,
    newest_complete_checkpoint,
    repair_last_checkpoint,
)

TEMPLATE = 'epoch_{}.pth'


@pytest.fixture
def folder(tmp_path):
    """Write checkpoints of epochs 2, 9 and 10, and best ones, which do not count."""
    for name in ('epoch_2', 'epoch_9', 'epoch_10', 'best_coco_AP_epoch_11'):
        torch.save(dict(state_dict=dict(w=torch.arange(1000.0))), tmp_path / f'{name}.pth')
    return tmp_path


def damage(path, position: int = 2000) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


def cut(path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 30])


def test_whole_or_not(folder):
    path = folder / 'epoch_2.pth'
    assert is_complete_checkpoint(path)
    damage(path)  # one byte of a weight: found by its checksum
    assert not is_complete_checkpoint(path)
    path = folder / 'epoch_9.pth'
    cut(path)
    assert not is_complete_checkpoint(path)
    assert not is_complete_checkpoint(folder / 'none.pth')
    assert not is_complete_checkpoint(folder)
    (folder / 'empty.pth').touch()
    assert not is_complete_checkpoint(folder / 'empty.pth')


def test_newest_is_by_number(folder):
    assert newest_complete_checkpoint([folder], TEMPLATE).name == 'epoch_10.pth'
    cut(folder / 'epoch_10.pth')
    assert newest_complete_checkpoint([folder, folder / 'none'], TEMPLATE).name == 'epoch_9.pth'
    assert newest_complete_checkpoint([folder], 'iter_{}.pth') is None


def test_good_record_is_left_alone(folder):
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_9.pth'))
    assert repair_last_checkpoint(folder, [folder], TEMPLATE) is None
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'epoch_9.pth')
    (folder / 'last_checkpoint').write_text('s3://bucket/epoch_9.pth')
    assert repair_last_checkpoint(folder, [folder], TEMPLATE) is None


@pytest.mark.parametrize(
    'record, fault',
    [
        (None, 'is missing'),
        (b'', 'is empty'),
        (b'/moved/away/epoch_12.pth', 'missing or incomplete'),
        (b'\xff\xfe\x00garbage' * 1000, 'missing or incomplete'),
    ],
)
def test_bad_record_is_replaced_or_refused(folder, record, fault):
    if record is not None:
        (folder / 'last_checkpoint').write_bytes(record)
    message = repair_last_checkpoint(folder, [folder], TEMPLATE)
    assert fault in message and 'epoch_10.pth' in message
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'epoch_10.pth')


def test_nothing_whole(folder):
    for path in folder.glob('epoch_*.pth'):
        cut(path)
    # Without a record, training starts from the beginning, as in mmengine.
    assert repair_last_checkpoint(folder, [folder], TEMPLATE) is None
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_10.pth'))
    with pytest.raises(UnreadableCheckpointError, match=r'last_checkpoint names .*epoch_10\.pth'):
        repair_last_checkpoint(folder, [folder], TEMPLATE)
