# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Client of ``training_nursery.py``: starts trainings there and kills them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """Starts trainings in the process of ``training_nursery.py``."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / 'output.txt'
        with open(self.output, 'ab') as output:
            search = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name('training_nursery.py'))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(os.environ, PYTHONPATH=search, OMP_NUM_THREADS='1'),
                cwd=folder,
                text=True,
            )
        assert self._read() == 'ready'

    def _read(self) -> str:
        while True:
            line = self.process.stdout.readline().strip()
            assert line or self.process.poll() is None, self.text()
            if line == 'ready' or line.lstrip('-').isdigit():
                return line  # the trainings print to it as well

    def text(self) -> str:
        return self.output.read_text()[-3000:]

    def train(self, kill: tuple[float, int] | None = None, **order) -> int:
        """Train, send the signal of ``kill`` after its seconds, and return the exit code."""
        self.process.stdin.write(json.dumps(order) + '\n')
        self.process.stdin.flush()
        child = int(self._read())
        timer = None
        if kill is not None:
            timer = threading.Timer(kill[0], _signal, (child, kill[1]))
            timer.start()
        code = int(self._read())
        if timer is not None:
            timer.cancel()
        return code

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


def _signal(child: int, number: int) -> None:
    try:
        # Ctrl-C reaches the data workers as well, kill -9 this process alone
        (os.killpg if number == signal.SIGINT else os.kill)(child, number)
    except ProcessLookupError:
        pass
