# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors about arguments, which have different names in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping


class ArgumentError(ValueError):
    """Arguments that do not fit, with their Python names; commands print their flags instead.

    Args:
        message (str): The message, with a ``{}`` for each argument's name, for example ``'a
            detector needs both {} and {}'``.
        *arguments (str): The names in Python, for example ``'det_config'``.
        **values: Further values in the message, as ``{name}``.
    """

    def __init__(self, message: str, *arguments: str, **values: object) -> None:
        self.template, self.arguments, self.values = message, arguments, values
        super().__init__(message.format(*arguments, **values))

    def naming(self, flags: Mapping[str, str]) -> str:
        """Return the message with flags in place of the arguments' names.

        Args:
            flags (Mapping[str, str]): Flags by argument; without an entry, ``det_config`` becomes
                ``--det-config``.
        """
        names = (flags.get(name, '--' + name.replace('_', '-')) for name in self.arguments)
        return self.template.format(*names, **self.values)


#: Flags that differ from their arguments' names.
FLAGS = {'ann_file': '--ann', 'out_dir': '--out', 'show_window': '--show'}
#: What errors about files say in Python to switch something on, and the flags for it.
SWITCHES = {'anew=True': '--anew', 'overwrite=True': '--overwrite'}


def command_line_message(error: BaseException) -> str:
    """Return an error's message as a command prints it, with flags for arguments."""
    if isinstance(error, ArgumentError):
        return error.naming(FLAGS)
    message = str(error)
    for argument, flag in SWITCHES.items():
        message = message.replace(argument, flag)
    return message
