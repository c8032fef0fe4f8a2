# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The command ``mmpose-ext``: one sub-command a module, each imported only when it is called."""

import argparse
import importlib
import sys

# sub-command: (module with add_arguments(parser) and run(args) -> int, help)
COMMANDS = {
    'predict': ('mmpose_ext.cli.predict', 'find people in images, videos and webcams'),
    'detect': ('mmpose_ext.cli.detect', 'write the person-detection file of a data set'),
    'export': ('mmpose_ext.cli.export', 'write a trained model as an ONNX file'),
    'synthetic': ('mmpose_ext.cli.synthetic', 'make a synthetic multi-person keypoint data set'),
    'validate': ('mmpose_ext.cli.validate', 'list what is wrong with a keypoint file'),
    'benchmark': ('mmpose_ext.cli.benchmark', "time a config beside mmpose's nearest"),
    'browse': ('mmpose_ext.cli.browse', 'draw training samples with their targets'),
    'curves': ('mmpose_ext.cli.curves', 'draw the curves of trainings'),
    'worst': ('mmpose_ext.cli.worst', 'draw the worst cases of a test run'),
}


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        argv (list[str], optional): the arguments; default ``sys.argv[1:]``.

    Returns:
        int: the exit status.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog='mmpose-ext', description='Tools of mmpose_ext.')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if argv[:1] == [name]:
            implementation = importlib.import_module(module)
            command.description = implementation.__doc__
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
    args = parser.parse_args(argv)
    return args.run(args)


if __name__ == '__main__':
    sys.exit(main())
