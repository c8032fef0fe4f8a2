# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""End commands quietly when the reader of their output closes the pipe (``... | head``)."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import Any, Iterator, TextIO

#: Exit status of a command whose reader is gone: 128 plus SIGPIPE's number, as in shells.
READER_IS_GONE = 141


class _PipedStream:
    """A text stream that ends the program when its pipe has no reader, instead of failing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._guard(self._stream.write, text)

    def writelines(self, lines: list) -> None:
        self._guard(self._stream.writelines, lines)

    def flush(self) -> None:
        self._guard(self._stream.flush)

    def _guard(self, method: Any, *args: Any) -> Any:
        try:
            return method(*args)
        except BrokenPipeError:
            # Python flushes the rest of the buffer at exit; send it nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            # an OSError could be taken for a failed file
            raise SystemExit(READER_IS_GONE) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def piped_output() -> Iterator[None]:
    """End the program with status 141 when the reader of its output or error stream is gone.

    A stream that was closed when Python started is None, and stays so: ``print`` writes nothing.
    """
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and _PipedStream(stream) for stream in streams)
    try:
        yield
    finally:
        try:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
        finally:
            sys.stdout, sys.stderr = streams
