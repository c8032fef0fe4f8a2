# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Flags of the command line: names in error messages, defaults, settings of a config."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import DictAction

from mmpose_ext.utils.errors import ArgumentError, ArgumentText

#: Flags that differ from their arguments' names.
FLAGS = {
    'ann_file': '--ann',
    'image_dir': '--images',
    'image_size': '--size',
    'input_kind': '--input',
    'measures': '--what',
    'options': '--cfg-options',
    'out_dir': '--out',
    'peers': '--peer',
    'rates': '--rate',
    'show_window': '--show',
    'splits': '--train, --val and --test',
    "splits['test']": '--test',
    "splits['train']": '--train',
    "splits['val']": '--val',
    'strengths': '--rms',
}


def command_line_message(error: BaseException) -> str:
    """Return an error's message as a command prints it, with flags for arguments."""
    if isinstance(error, ArgumentError):
        return error.text.naming(FLAGS)
    if isinstance(error, OSError) and error.strerror:  # without its number
        return f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    return str(error)


def command_line_text(text: str) -> str:
    """Return a text as a command prints it, with flags for arguments."""
    return text.naming(FLAGS) if isinstance(text, ArgumentText) else text


def default_of(owner: Callable, name: str) -> Any:
    """Return the default of a function's argument or a dataclass's field."""
    return inspect.signature(owner).parameters[name].default


def add_setting(
    parser: argparse._ActionsContainer,
    flag: str,
    owner: Callable,
    text: str,
    name: str | None = None,
    **settings: Any,
) -> None:
    """Declare a flag that has the type and the default of what it sets.

    Args:
        parser (argparse._ActionsContainer): The parser or a group of it.
        flag (str): The flag.
        owner (Callable): The function whose argument it sets, or the dataclass whose field.
        text (str): The help, which the default follows in brackets.
        name (str, optional): The argument or field. Defaults to that of the flag's name.
        **settings: Further arguments of ``add_argument``.
    """
    default = default_of(owner, name or flag[2:].replace('-', '_'))
    values = default if isinstance(default, (list, tuple)) else (default,)
    shown = ' '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in values)
    parser.add_argument(
        flag, default=default, type=type(values[0]), help=f'{text} ({shown})', **settings
    )


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Return settings of a config by their dotted keys, as mmengine's ``--cfg-options`` reads them.

    Args:
        options (Sequence[str]): ``KEY=VALUE`` each.

    Raises:
        ValueError: If one has another form.
    """
    parsed = argparse.Namespace(options={})
    for option in options:
        try:
            DictAction([], 'options')(argparse.ArgumentParser(), parsed, [option])
        except (ValueError, AssertionError):
            raise ValueError(f'{option!r} is not KEY=VALUE with brackets in pairs') from None
    return parsed.options


class _Options(argparse.Action):
    """Parse settings of a config; the words themselves stay in ``option_words``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        words = (*getattr(namespace, 'option_words', ()), *values)
        try:
            setattr(namespace, self.dest, parse_options(words))
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        namespace.option_words = words


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--cfg-options``: a dict ``cfg_options``, and its words in ``option_words``."""
    parser.set_defaults(option_words=())
    parser.add_argument(
        '--cfg-options', nargs='+', action=_Options, metavar='KEY=VALUE', help='config settings'
    )
