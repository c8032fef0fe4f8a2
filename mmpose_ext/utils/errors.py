# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors that several folders raise; the modules that raise them export them too."""

from __future__ import annotations

from collections.abc import Mapping


class ArgumentText(str):
    """A text with the names of Python arguments; commands print their flags instead.

    Args:
        template (str): The text, with a ``{}`` for each argument's name, for example ``'a detector
            needs both {} and {}'``.
        *arguments (str): The names in Python, for example ``'det_config'``. A switch that the user
            may set is ``'overwrite=True'``.
        **values: Further values in the text, as ``{name}``; they may be such texts.
    """

    template: str
    arguments: tuple[str, ...]
    values: dict[str, object]

    def __new__(cls, template: str, *arguments: str, **values: object) -> ArgumentText:
        """Return the text with the names in Python."""
        text = super().__new__(cls, template.format(*arguments, **values))
        text.template, text.arguments, text.values = template, arguments, values
        return text

    def naming(self, flags: Mapping[str, str]) -> str:
        """Return the text with flags in place of the arguments' names.

        Args:
            flags (Mapping[str, str]): Flags by argument; without an entry, ``det_config`` becomes
                ``--det-config``.
        """
        names = (argument.split('=')[0] for argument in self.arguments)
        shown = (flags.get(name, '--' + name.replace('_', '-')) for name in names)
        values = {
            name: value.naming(flags) if isinstance(value, ArgumentText) else value
            for name, value in self.values.items()
        }
        return self.template.format(*shown, **values)


class ArgumentError(ValueError):
    """Arguments that do not fit, with their Python names; commands print their flags instead.

    Args:
        template (str): The message; see :class:`ArgumentText`.
        *arguments (str): The names in Python.
        **values: Further values in the message.
    """

    def __init__(self, template: str, *arguments: str, **values: object) -> None:
        self.text = ArgumentText(template, *arguments, **values)
        super().__init__(self.text)

    def renamed(self, **names: str) -> ArgumentError:
        """Return the error of a function that calls its arguments otherwise.

        Args:
            **names (str): New names by the old ones.
        """
        arguments = [names.get(name, name) for name in self.text.arguments]
        return ArgumentError(self.text.template, *arguments, **self.text.values)


class DataError(ValueError):
    """A data file cannot be used; the message names the file, the setting and the fault."""
