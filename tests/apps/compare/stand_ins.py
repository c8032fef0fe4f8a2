# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Small configs and stand-ins for mmpose's tools."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from mmpose_ext.apps.compare import cli

CONFIG = "model = dict(type='{kind}')\ntrain_dataloader = dict(batch_size=2)\nval_interval = 1\n"


def write_config(path, kind='A'):
    path.write_text(CONFIG.format(kind=kind))
    return path


def fake_tools(calls, fail_first=False):
    """Fake mmpose's tools: the training leaves a checkpoint, the test leaves its results."""

    def call(run, threads, tool, arguments, processes):
        calls.append((tool, arguments))
        if tool == 'train.py':
            (run.folder / 'train').mkdir(exist_ok=True)
            (run.folder / 'train' / 'last_checkpoint').write_text('epoch_3.pth')
            if fail_first and len(calls) == 1:
                raise RuntimeError('killed')
        else:
            out = next(a for a in arguments if a.startswith('test_evaluator.out_file='))
            people = [dict(id=0, correct=2, labeled=4)]
            open(out.split('=', 1)[1], 'w').write(json.dumps(people))
        return dict(seconds=3.0, cpu_seconds=2.0, memory_mib=1.0)

    return call


def command(*arguments):
    parser = ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args([str(argument) for argument in arguments]))
