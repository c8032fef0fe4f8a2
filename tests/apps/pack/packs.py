# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Packs of the generated images, and what is in them."""

import gc
import itertools
import json
import os
import time

import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS

from mmpose_ext.apps.main import main
from mmpose_ext.apps.pack import crops
from mmpose_ext.datasets.pack.records import id_in

lmdb = pytest.importorskip('lmdb')
SPEAKS = 'mmpose-ext pack'


def pack(*words):
    """Run the command and return its exit status."""
    gc.collect()  # closes data sets that hold the pack open
    return main(['pack', *map(str, words)])


def build(config, **settings):
    cfg = Config.fromfile(config).train_dataloader.dataset
    cfg.update(settings)
    return DATASETS.build(cfg)


def path_of(config):
    return config.parent / 'people.pack'


def variant(config, name, old, new):
    """Write a config next to another one, with a text replaced."""
    text = config.read_text()
    assert old in text
    file = config.with_name(name)
    file.write_text(text.replace(old, new))
    return file


def people_of(path):
    """Return all crops of a pack by the person's id."""
    gc.collect()
    with lmdb.open(str(path)) as environment, environment.begin() as transaction:
        return {id_in(k): bytes(v) for k, v in transaction.cursor() if k.startswith(b'p:')}


def keys_of(people, path, kind='p'):
    """Return the keys of people's crops ('p') or states ('s')."""
    gc.collect()
    people = set(map(str, people))
    with lmdb.open(str(path)) as environment, environment.begin() as transaction:
        keys = [bytes(k) for k, _ in transaction.cursor() if k.startswith(kind.encode() + b':')]
    return [key for key in keys if id_in(key) in people]


def key_of(person, path, kind='p'):
    """Return the key of a person's crop ('p') or state ('s')."""
    (key,) = keys_of([person], path, kind)
    return key


def settings_of(path):
    """Return size and quality of a pack."""
    gc.collect()
    with lmdb.open(str(path)) as environment, environment.begin() as transaction:
        meta = json.loads(bytes(transaction.get(b'meta')))
    return meta['size'], meta['quality']


def change_image(config):
    """Change an image's content (all pixels) and time, but not its size."""
    file = config.parent / 'images' / '7.jpg'
    content = bytearray(file.read_bytes())
    content[content.index(b'\xff\xdb') + 5] += 8  # the quantization of the mean brightness
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))


def pack_slowly(config, people=1000):
    """Run the command with a pause for each person, stop after some, and end the process."""
    cut, number = crops.cut_crop, itertools.count()

    def slow(*args):
        time.sleep(0.02 if next(number) < people else 600)
        return cut(*args)

    crops.cut_crop = slow
    os._exit(pack(config))
