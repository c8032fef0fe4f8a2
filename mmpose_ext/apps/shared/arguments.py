# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors about arguments, which have different names in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping


class ArgumentError(ValueError):
    """Arguments that do not fit, with their Python names; commands print their flags instead.

    Args:
        message (str): The message, with a ``{}`` for each argument's name, for example ``'a
            detector needs both {} and {}'``.
        *arguments (str): The names in Python, for example ``'det_config'``. A switch that the user
            may set is ``'overwrite=True'``.
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
        names = (argument.split('=')[0] for argument in self.arguments)
        shown = (flags.get(name, '--' + name.replace('_', '-')) for name in names)
        return self.template.format(*shown, **self.values)


#: Flags that differ from their arguments' names.
FLAGS = {'ann_file': '--ann', 'out_dir': '--out', 'show_window': '--show'}


def command_line_message(error: BaseException) -> str:
    """Return an error's message as a command prints it, with flags for arguments."""
    return error.naming(FLAGS) if isinstance(error, ArgumentError) else str(error)
