# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import ast

import pytest

from mmpose_ext.utils.errors import DataError
from mmpose_ext.utils.metainfo import COCO_METAINFO, load_metainfo

POINT = "keypoint_info={0: dict(name='a', id=0, type='', swap='')}"


@pytest.mark.parametrize(
    'text, message',
    [
        ('x = 1', r'dataset_info.*It must define dataset_info with'),
        (f"dataset_info = dict(dataset_name='one', {POINT})", r'skeleton_info \({} for none\)'),
        ('dataset_info = dict(', r'must define dataset_info'),
    ],
)
def test_file_that_is_no_metainfo(text, message, tmp_path):
    (tmp_path / 'info.py').write_text(text)
    with pytest.raises(DataError, match=rf'metainfo .*info\.py: .*{message}'):
        load_metainfo(dict(from_file=str(tmp_path / 'info.py')))


def test_no_file(tmp_path):
    with pytest.raises(OSError, match='none.py'):
        load_metainfo(dict(from_file=str(tmp_path / 'none.py')))


def test_empty_metainfo():
    assert load_metainfo({}) == {}


def test_cocos_file_is_named_once(root):
    """Other modules take it from here."""
    naming = [
        path.relative_to(root / 'mmpose_ext').as_posix()
        for path in (root / 'mmpose_ext').rglob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == COCO_METAINFO
    ]
    assert naming == ['utils/metainfo.py']
