# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors about arguments, which Python and the command line call by different names."""

from __future__ import annotations

from collections.abc import Mapping


class ArgumentError(ValueError):
    """Arguments that do not fit, named as in Python; commands name their flags instead.

    Args:
        message (str): With a ``{}`` for each argument's name, for example
            ``'a detector needs both {} and {}'``.
        *arguments (str): The names in Python, for example ``'det_config'``.
        **values: What else the message holds, as ``{name}``.
    """

    def __init__(self, message: str, *arguments: str, **values: object) -> None:
        self.template, self.arguments, self.values = message, arguments, values
        super().__init__(message.format(*arguments, **values))

    def naming(self, flags: Mapping[str, str]) -> str:
        """Give the message with flags for the arguments' names.

        Args:
            flags (Mapping[str, str]): Flags by argument; ``--det-config`` stands for
                ``det_config`` without one.
        """
        names = (flags.get(name, '--' + name.replace('_', '-')) for name in self.arguments)
        return self.template.format(*names, **self.values)


#: Flags that are not their arguments' names.
FLAGS = {'ann_file': '--ann', 'out_dir': '--out', 'show_window': '--show'}


def command_line_message(error: BaseException) -> str:
    """Give an error's message as a command prints it: with flags for arguments."""
    return error.naming(FLAGS) if isinstance(error, ArgumentError) else str(error)
