# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors that several folders raise; the modules that raise them export them too."""

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


class DataError(ValueError):
    """A data file cannot be used; the message names the file, the setting and the fault."""
