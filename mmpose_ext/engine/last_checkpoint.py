# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read the file ``last_checkpoint`` for ``--resume`` and repair it if it is unusable."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from mmpose_ext.utils.atomic_files import write_atomically

from .checkpoint_errors import is_complete
from .errors import UnreadableCheckpointError

LAST_CHECKPOINT = 'last_checkpoint'


def is_complete_checkpoint(path: str | Path) -> bool:
    """Return whether ``path`` is a complete, undamaged file of ``torch.save``.

    It reads all of the file, compares the checksums in it and loads nothing. Files of the format
    before torch 1.6 have no checksums and are not accepted.
    """
    return is_complete(path) and zipfile.is_zipfile(path)


def newest_complete_checkpoint(folders: Iterable[str | Path], filename_tmpl: str) -> Path | None:
    """Return the complete checkpoint of the highest epoch or iteration in ``folders``, or None.

    Args:
        folders (Iterable[str | Path]): The folders to search, without their subfolders.
        filename_tmpl (str): The checkpoint hook's template, such as ``'epoch_{}.pth'``.
    """
    before, after = filename_tmpl.split('{}')
    pattern = re.compile(re.escape(before) + r'(\d+)' + re.escape(after))
    steps: dict[Path, int] = {}
    for folder in map(Path, folders):
        with suppress(OSError):
            for path in folder.iterdir():
                if found := pattern.fullmatch(path.name):
                    steps[path] = int(found.group(1))
    candidates = sorted(steps, key=steps.__getitem__, reverse=True)
    return next((path for path in candidates if is_complete_checkpoint(path)), None)


def repair_last_checkpoint(
    work_dir: str | Path, folders: Sequence[str | Path], filename_tmpl: str
) -> str | None:
    """Make ``work_dir/last_checkpoint`` name a complete checkpoint, if there is one.

    Args:
        work_dir (str | Path): The folder of ``last_checkpoint``.
        folders (Sequence[str | Path]): The folders with the checkpoints.
        filename_tmpl (str): The checkpoint hook's template, such as ``'epoch_{}.pth'``.

    Returns:
        str | None: A line for the log if something was repaired.

    Raises:
        UnreadableCheckpointError: If ``last_checkpoint`` exists but no complete checkpoint does.
    """
    record = Path(work_dir, LAST_CHECKPOINT)
    text = _read(record)
    if text is not None and ('://' in text or (text and is_complete_checkpoint(text))):
        return None
    newest = newest_complete_checkpoint(folders, filename_tmpl)
    if newest is not None:
        write_atomically(record, os.fsencode(newest))
        return f'{record} {_fault(text)}; resuming from the newest complete checkpoint, {newest}'
    if text is not None:
        raise UnreadableCheckpointError(
            f'{record} {_fault(text)}, and there is no complete checkpoint '
            f'{filename_tmpl.format("*")} in {", ".join(map(str, folders))}. Name one with '
            '--resume FILE, or delete the record to train from the start'
        )
    return None


def _read(record: Path) -> str | None:
    try:
        return record.read_text(encoding='utf-8', errors='replace').strip()
    except FileNotFoundError:
        return None


def _fault(text: str | None) -> str:
    if text is None:
        return 'is missing'
    if not text:
        return 'is empty'
    shown = text if len(text) <= 200 else f'{text[:200]}...'
    return f'names {shown!r}, which is missing or incomplete'
