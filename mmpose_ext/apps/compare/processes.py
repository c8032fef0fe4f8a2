# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Processes that do not outlive the command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock


class Processes:
    """Processes that threads wait for, and that end together."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._ended = False
        self._lock = Lock()

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> tuple[int, float, float]:
        """Run a command to its end; its output goes to the end of a file.

        Args:
            command (Sequence[str]): The program and its arguments.
            environment (Mapping[str, str]): Its environment variables.
            log (Path): The file.

        Returns:
            tuple[int, float, float]: The exit status (negative: the signal that ended it), the
            processor's seconds and the peak of the resident memory in the system's units
            (``ru_maxrss``), both with its own children.

        Raises:
            RuntimeError: If :meth:`end` was called before.
        """
        with self._lock, open(log, 'ab') as file:
            if self._ended:
                raise RuntimeError(f'{command[0]} was not started: the command ends')
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
            self._running.add(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        self._running.discard(process.pid)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        process.returncode = code  # os.wait4 has waited for it
        return code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss

    def end(self) -> None:
        """Terminate all that run, and start no more."""
        with self._lock:
            self._ended = True
            for pid in tuple(self._running):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def ending_with(processes: Processes) -> Iterator[None]:
    """End the processes if the block is left by an exception, such as Ctrl-C's.

    Args:
        processes (Processes): The processes.
    """
    try:
        yield
    except BaseException:
        processes.end()
        raise
