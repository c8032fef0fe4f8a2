# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Store finished runs in one file, so that another machine can continue a comparison."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_ext.utils.atomic_files import write_atomically
from mmpose_ext.utils.errors import DataError


@dataclass(frozen=True)
class Finished:
    """The results of a finished run.

    Attributes:
        name (str): The config's stem.
        seed (int): ``randomness.seed``.
        digest (str): Hash of what the config trains; see :func:`.runs.digest_of_config`.
        seconds (float): Wall time of the training. This and the next two are NaN if it was
            interrupted.
        cpu_seconds (float): Processor time of the training and its data workers.
        memory_mib (float): Peak memory of the training process.
        environment (str): Processor and versions.
        correct (tuple[int, ...]): Correct keypoints of each person of the test set, in its order.
        labeled (tuple[int, ...]): Labeled keypoints of each person; 0 for a person who does not
            count.
    """

    name: str
    seed: int
    digest: str
    seconds: float
    cpu_seconds: float
    memory_mib: float
    environment: str
    correct: tuple[int, ...]
    labeled: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Percentage of correct keypoints."""
        return 100 * sum(self.correct) / sum(self.labeled)


def counts_of_people(people: Sequence[dict]) -> dict[str, tuple[int, ...]]:
    """Return ``correct`` and ``labeled`` of the people that a metric has written.

    Args:
        people (Sequence[dict]): ``id`` (position in the test set), ``correct`` and ``labeled`` of
            each person, in any order. A person without an entry does not count.
    """
    table = np.zeros((2, 1 + max((person['id'] for person in people), default=-1)), int)
    for person in people:
        table[:, person['id']] = person['correct'], person['labeled']
    return dict(correct=tuple(table[0].tolist()), labeled=tuple(table[1].tolist()))


def parse(text: str) -> Any:
    """Parse JSON of runs or of people, also in the spelling of older files."""
    return json.loads(text.replace('"labelled"', '"labeled"'))


def read_finished(path: str | os.PathLike) -> list[Finished]:
    """Return the finished runs in a file; an empty list if it does not exist.

    Raises:
        OSError: If it cannot be read.
        DataError: If it holds something else.
    """
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise DataError(f'{path} holds no finished runs: it is not a text') from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            content = parse(line)
            counts = {key: tuple(content[key]) for key in ('correct', 'labeled')}
            found.append(Finished(**{**content, **counts}))
        except (ValueError, KeyError, TypeError):
            raise DataError(f'line {number} of {path} is not a finished run') from None
    return found


def add_finished(path: str | os.PathLike, run: Finished) -> None:
    """Add a run to a file, or replace that of the same config and seed; each is a line of JSON."""
    runs = {(old.name, old.seed): old for old in read_finished(path)}
    runs[run.name, run.seed] = run
    lines = [json.dumps(asdict(runs[key]), separators=(',', ':')) + '\n' for key in sorted(runs)]
    write_atomically(Path(path), ''.join(lines).encode())
