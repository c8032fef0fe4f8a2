# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The command ``mmpose-ext``, with one module per sub-command, imported only when called."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from mmpose_ext.apps.shared.piped_output import piped_output
from mmpose_ext.engine.checkpoint_loading import safely_loading
from mmpose_ext.utils.quiet import ignore_metainfo_note

# sub-command: (module in mmpose_ext.apps with add_arguments(parser) and run(args) -> int, help)
COMMANDS = {
    'predict': ('predict.cli', 'find people in images, videos and webcams'),
    'detect': ('detect.cli', 'write the person-detection file of a data set'),
    'export': ('export.cli', 'write a trained model as an ONNX file'),
    'synthetic': ('synthetic.cli', 'make a synthetic multi-person keypoint data set'),
    'validate': ('validate.cli', 'list what is wrong with a keypoint file'),
    'pack': ('pack.cli', "cut a training set's people out once, for faster training"),
    'benchmark': ('benchmark.cli', 'time a config and compare it with mmpose'),
    'compare': ('compare.cli', 'train configs with several seeds and compare them'),
    'browse': ('look.browse_cli', 'draw training samples with their targets'),
    'curves': ('look.curves_cli', 'draw the curves of trainings'),
    'worst': ('look.worst_cli', 'draw the worst cases of a test run'),
}


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        argv (list[str], optional): The arguments. Defaults to ``sys.argv[1:]``.

    Returns:
        int: The exit status. 130 after Ctrl-C.

    Raises:
        SystemExit: With 143, if ``SIGTERM`` ends the command.
    """
    ignore_metainfo_note()
    with piped_output(), _left_by_sigterm():
        try:
            return _run(argv)
        except KeyboardInterrupt:
            print('stopped', file=sys.stderr)
            return 130


@contextlib.contextmanager
def _left_by_sigterm() -> Iterator[None]:
    """Let ``SIGTERM`` raise ``SystemExit``, so that the command's processes end with it.

    The status is the one that a shell gives to a process that the signal ended.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # others may set no handler
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(argv: list[str] | None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog='mmpose-ext', description='Tools of mmpose_ext.')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if argv[:1] == [name]:
            implementation = importlib.import_module(f'mmpose_ext.apps.{module}')
            command.description = implementation.__doc__
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
    args = parser.parse_args(argv)
    with safely_loading():
        return args.run(args)


if __name__ == '__main__':
    sys.exit(main())
