# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A pack keeps its settings and people when it is continued, renewed and shared by configs."""

import json
import multiprocessing

import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS
from packs import (
    build,
    change_image,
    key_of,
    keys_of,
    lmdb,
    pack,
    path_of,
    people_of,
    settings_of,
    variant,
)

from mmpose_ext.apps.pack import crops, fill_pack, plan_packs, prepare_pack
from mmpose_ext.datasets.pack import PackError, use_pack

FORK = multiprocessing.get_context('fork')
OTHERS = '--size', '100', '--quality', '80'
PLAIN = 'train_dataloader = dict(dataset=dict('


@pytest.fixture
def first(config):
    """A config of the first ten people."""
    return variant(config, 'first.py', PLAIN, f'{PLAIN}indices=10, ')


@pytest.fixture
def last(config):
    """A config of the last five people, with a wider augmentation."""
    file = variant(config, 'last.py', PLAIN, f'{PLAIN}indices={list(range(65, 70))}, ')
    return variant(
        file, 'last.py', "'RandomBBoxTransform'", "'RandomBBoxTransform', scale_factor=(1, 2)"
    )


def remove_some(path):
    """Leave a pack as a killed process does."""
    keys = [key for kind in 'ps' for key in keys_of(range(1030, 1060), path, kind)]
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        for key in keys:
            transaction.delete(key)


def change_nothing(config):
    """Leave all as it is."""


def kill(config):
    remove_some(path_of(config))


def change_annotations(config):
    file = config.parent / 'people.json'
    content = json.loads(file.read_text())
    content['annotations'][3]['bbox'][2] += 5
    file.write_text(json.dumps(content))


def age(config):
    """Make it a pack of another version."""
    with lmdb.open(str(path_of(config))) as environment, environment.begin(write=True) as t:
        meta = json.loads(bytes(t.get(b'meta')))
        t.put(b'meta', json.dumps(dict(meta, version=1)).encode())


@pytest.mark.parametrize(
    'change, options',
    [
        (change_image, ()),
        (change_annotations, ()),
        (kill, ()),
        (age, ()),
        (age, ('--anew',)),
        (change_nothing, ('--anew',)),
    ],
)
def test_settings_are_kept(config, change, options):
    """The commands that errors name do not repeat --size and --quality."""
    assert pack(config, *OTHERS) == 0
    change(config)
    assert pack(config, *options) == 0
    assert settings_of(path_of(config)) == (100, 80)
    assert len(people_of(path_of(config))) == 70
    assert pack(config, '--check') == 0


def test_changed_image_is_cut_out_alone(config, monkeypatch):
    assert pack(config, *OTHERS) == 0
    change_image(config)
    cut = []
    monkeypatch.setattr(
        crops, 'cut_crop', lambda *args, real=crops.cut_crop: cut.append(args[2]) or real(*args)
    )
    assert pack(config) == 0
    assert cut == [100]


def test_given_settings_renew_a_pack(config):
    assert pack(config, *OTHERS) == 0
    assert pack(config, '--size', '60') == 0
    assert settings_of(path_of(config)) == (60, 80)
    assert pack(config, '--check') == 0


def test_settings_of_a_new_pack(config):
    assert pack(config) == 0
    assert settings_of(path_of(config)) == (384, 95)


@pytest.mark.parametrize('together', [True, False])
def test_configs_share_a_pack(config, first, last, together):
    """A pack has all their people and their whole reach."""
    configs = [config, first, last]
    for some in [configs] if together else [[c] for c in (first, last, config, first)]:
        assert pack(*some) == 0
    for one in configs:
        assert pack(one, '--check') == 0
        use_pack(build(one))
    assert len(people_of(path_of(config))) == 70


def test_configs_of_different_people(config, first, last):
    assert pack(last, first) == 0
    assert len(people_of(path_of(config))) == 15
    with pytest.raises(PackError, match=r'holds 15 of the 70 people so far: run `mmpose-ext pack'):
        use_pack(build(config))
    assert pack(config, '--check') == 1


def test_people_outside_a_changed_subset_stay_stale(config, first, last):
    assert pack(config, last) == 0
    (config.parent / 'images' / '7.jpg').write_bytes(
        (config.parent / 'images' / '9.jpg').read_bytes()
    )
    assert pack(last) == 0
    with pytest.raises(PackError, match=r'is stale: image .*7\.jpg has changed since'):
        use_pack(build(first))
    use_pack(build(last))


def test_people_of_one_image_in_two_configs(config, first):
    """An image that changed is stale for its people in the other config, too."""
    file = config.parent / 'people.json'
    content = json.loads(file.read_text())
    content['annotations'].append(dict(content['annotations'][9], id=2000))
    file.write_text(json.dumps(content))
    assert pack(config) == 0
    (config.parent / 'images' / '10.jpg').write_bytes(
        (config.parent / 'images' / '9.jpg').read_bytes()
    )
    assert pack(first) == 0  # it has person 1010, but not 2000
    use_pack(build(first))
    with pytest.raises(PackError, match=r'is stale: image .*10\.jpg has changed since'):
        use_pack(build(config))
    assert pack(config) == 0
    use_pack(build(config))


def test_smaller_augmentation_is_told(config, last):
    assert pack(config) == 0
    with pytest.raises(PackError, match='was made for a smaller augmentation'):
        use_pack(build(last))
    assert pack(last) == 0
    assert pack(config) == 0
    for one in (config, last):
        use_pack(build(one))


def test_settings_changed_meanwhile(config):
    """A process does not mix its crops with those of other settings."""
    (job,) = plan_packs([config])
    meta = prepare_pack(job, 60)
    assert pack(config, '--size', '50') == 0
    key = key_of(1005, job.path, 's')
    with lmdb.open(str(job.path)) as environment, environment.begin(write=True) as transaction:
        transaction.delete(key)
    with pytest.raises(PackError, match='another process has changed its settings'):
        fill_pack(job, meta)


@pytest.mark.parametrize('option', ['--size=0', '--quality=101', '--workers=0'])
def test_impossible_settings(config, option, capsys):
    assert pack(config, option) == 2
    flag = option.split('=')[0]
    assert capsys.readouterr().err.startswith(f'error: {flag} must be 1 ')


def test_another_path(config, tmp_path, capsys):
    """``--out`` packs data sets in folders that cannot be written."""
    out = tmp_path / 'my packs' / 'a.pack'
    assert pack(config, '--out', out) == 0
    assert not path_of(config).exists()
    assert pack(config, '--out', out, '--check') == 0
    dataset = build(config)
    assert use_pack(dataset, out) == [str(out)]
    dataset[3]
    with pytest.raises(PackError, match=r"pack cfg\.py --out '.*my packs/b\.pack'`"):
        use_pack(build(config), tmp_path / 'my packs' / 'b.pack', 'mmpose-ext pack cfg.py')


def test_one_path_for_several_files(config, tmp_path, capsys):
    (tmp_path / 'others.json').write_text((tmp_path / 'people.json').read_text())
    others = variant(config, 'others.py', 'people.json', 'others.json')
    assert pack(config, others, '--out', tmp_path / 'a.pack') == 2
    error = capsys.readouterr().err
    assert '--out names one pack' in error and 'others.json' in error
    both = [Config.fromfile(file).train_dataloader.dataset for file in (config, others)]
    cfg = dict(type='CombinedDataset', metainfo=dict(from_file='configs/_base_/datasets/coco.py'))
    with pytest.raises(ValueError, match='cannot serve several annotation files'):
        use_pack(DATASETS.build(dict(cfg, datasets=both)), tmp_path / 'a.pack')


def test_anew_removes_only_the_pack(config, tmp_path):
    """A wrong ``--out`` costs nothing."""
    other = tmp_path / 'data'
    other.mkdir()
    (other / 'precious.txt').write_text('')
    assert pack(config, '--out', other, '--anew') == 0
    assert (other / 'precious.txt').is_file()
