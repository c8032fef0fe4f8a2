# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Each command works on label tools' exports, or stops with one line."""

from __future__ import annotations

import re

import pytest
from reported_exports import EXPORT_KINDS
from reported_files import ALL, H, W, write_kind
from test_reports import assert_said, said

from mmpose_ext.apps.main import main

CASES = [
    (kind, command)
    for kind in EXPORT_KINDS
    for command in (*ALL, 'predict')
    if command != 'test'  # training evaluates as well
    and (kind, command) != ('image id 0', 'worst')  # the results are for images 1 and 2
]


@pytest.mark.parametrize('kind, command', CASES)
def test_export_in_command(kind, command, tmp_path, capsys, request):
    text = said(write_kind(kind, tmp_path, EXPORT_KINDS), kind, command, capsys, request)
    assert_said(text, EXPORT_KINDS[kind][1].get(command))


def test_size_as_stored_is_found_in_the_headers(tmp_path, capsys):
    file = write_kind('size of the image as stored', tmp_path, EXPORT_KINDS)
    assert main(['validate', str(file), '--images', str(tmp_path / 'images'), '--depth', 'headers'])
    text = capsys.readouterr().out
    assert re.search(rf'2 image.*1\.png is {W}x{H}, annotated as {H}x{W}.*Write the size', text)
    assert re.search(r'annotation 11 \(image 1, 1\.png\)\n.*image-size', text)
