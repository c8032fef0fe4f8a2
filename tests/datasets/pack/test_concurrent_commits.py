# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Reading a pack while another process commits to it finds every record."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmpose_ext.datasets.pack.reader import PackReader
from mmpose_ext.datasets.pack.records import META, Meta, person_key, state_key
from mmpose_ext.datasets.pack.use import missing_and_changed

lmdb = pytest.importorskip('lmdb')
HELD, COMMITS = 10, 8
# Commits batches of 40 people, whose ids are scattered over the file's pages.
WRITE = """
import os, sys
import lmdb

path, first, last, hash = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
with lmdb.open(path, map_size=2**28, sync=False) as environment:
    for batch in range(first, last):
        with environment.begin(write=True) as transaction:
            for number in range(40 * batch, 40 * batch + 40):
                number = number * 7919 % 40000
                transaction.put(b'p:%d:%s' % (number, hash), os.urandom(600))
                transaction.put(b's:%d:%s' % (number, hash), b'%020d' % number)
"""


def commit(path: str, first: int, last: int) -> None:
    words = path, str(first), str(last), person_key(info_of(0)).decode().split(':')[-1]
    subprocess.run([sys.executable, '-c', WRITE, *words], check=True)


def info_of(number: int) -> dict:
    return dict(id=number, img_path='image.jpg')


class People:
    """The people of the first batches; looking at the second one lets a process commit more."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __len__(self) -> int:
        return 40 * HELD

    def get_data_info(self, index: int) -> dict:
        if index == 1:
            commit(self.path, HELD, HELD + COMMITS)
        return info_of(index * 7919 % 40000)


@pytest.fixture
def pack(tmp_path) -> str:
    path = str(tmp_path / 'people.pack')
    with lmdb.open(path, map_size=2**28) as environment:
        with environment.begin(write=True) as transaction:
            transaction.put(META, Meta('0', 384, 95).to_bytes())
    commit(path, 0, HELD)
    return path


def test_all_people_are_found(pack):
    reader = PackReader(pack)
    assert missing_and_changed(reader.get, People(pack), check_images=False) == ([], {})


def test_one_transaction_for_all_would_lose_people(pack):
    """Otherwise the test above would pass whatever the reader did."""
    reader = PackReader(pack)
    people = People(pack)
    lost = 0
    with pytest.raises(Exception, match='damaged|lost'), reader._transaction() as transaction:
        for index in range(len(people)):
            key = state_key(person_key(people.get_data_info(index)))
            lost += transaction.get(key) is None
        assert lost == 0, 'lost'
