# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Packs are written, resumed, shared by processes, stale or damaged; samples come from them."""

import gc
import json
import multiprocessing
import os
import shlex
import shutil
import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from packs import (
    SPEAKS,
    build,
    change_image,
    key_of,
    lmdb,
    pack,
    pack_slowly,
    path_of,
    people_of,
    variant,
)

from mmpose_ext.apps.pack.crops import cut_crop
from mmpose_ext.datasets.fast import BatchedPipeline
from mmpose_ext.datasets.pack import PackedImage, PackError, PackReader, use_pack


def test_samples_are_those_of_the_images(config):
    """Draws are equal; pixels differ by the loss of JPEG 95 and half as much by the warp."""
    assert pack(config, '--size', '200') == 0
    plain, packed = build(config), build(config)
    assert use_pack(packed) == [str(path_of(config))]
    errors = []
    for seed in range(2):
        for index in range(len(plain)):
            np.random.seed(1000 * seed + index)
            expected = plain[index]
            np.random.seed(1000 * seed + index)
            item = packed[index]
            errors.append((item['inputs'].float() - expected['inputs'].float()).abs().mean())
            one, other = item['data_samples'], expected['data_samples']
            np.testing.assert_allclose(one.gt_fields.heatmaps, other.gt_fields.heatmaps, atol=1e-4)
            assert one.flip == other.flip and one.img_shape == other.img_shape
    small, large = np.mean(errors[1::2]), np.mean(errors[::2])
    assert small < 3 and large < 3
    assert max(errors) < 8  # a missing region would be black


def test_people_flipped_twice(config):
    """The crops hold what flips along both axes show."""
    assert pack(config) == 0
    flip = "dict(type='RandomFlip', direction='horizontal')"
    twice = variant(
        config, 'twice.py', flip, f"{flip}, dict(type='RandomFlip', direction='vertical')"
    )
    assert error_from(twice, build(twice)) < 3


def error_from(config, plain):
    packed = build(config)
    use_pack(packed)
    differences = []
    for index in range(20):
        np.random.seed(index)
        expected = plain[index]['inputs'].float()
        np.random.seed(index)
        differences.append((packed[index]['inputs'].float() - expected).abs().mean())
    return np.mean(differences)


def test_smaller_crops_keep_less(config):
    errors = {}
    for size in (160, 40):
        assert pack(config, '--size', str(size)) == 0
        errors[size] = error_from(config, build(config))
        gc.collect()
    assert errors[160] < 0.6 * errors[40]


def test_second_run_changes_nothing(config):
    assert pack(config) == 0
    before = people_of(path_of(config))
    assert len(before) == 70
    assert pack(config) == 0
    assert people_of(path_of(config)) == before
    assert pack(config, '--check') == 0


FORK = multiprocessing.get_context('fork')


@pytest.mark.parametrize('processes', [1, 2])
def test_killed_preparation_goes_on(config, processes):
    running = [FORK.Process(target=pack_slowly, args=(config, 33)) for _ in range(processes)]
    for process in running:
        process.start()
    deadline = time.time() + 120
    while time.time() < deadline:
        time.sleep(0.02)
        if (path_of(config) / 'claims').is_file() and people_of(path_of(config)):
            break
    for process in running:
        process.kill()
        process.join()
    done = people_of(path_of(config))
    assert 0 < len(done) < 70
    with pytest.raises(
        PackError, match=rf'people\.pack holds {len(done)} of the 70 people so far: run `{SPEAKS}'
    ):
        use_pack(build(config))
    assert pack(config) == 0
    after = people_of(path_of(config))
    assert len(after) == 70 and all(after[key] == value for key, value in done.items())
    assert pack(config, '--check') == 0


def test_two_processes_share_the_work(config):
    running = [FORK.Process(target=pack_slowly, args=(config,)) for _ in range(2)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0, 0]
    assert len(people_of(path_of(config))) == 70
    assert pack(config, '--check') == 0


def test_workers_share_the_work(config):
    assert pack(config, '--workers', '2') == 0
    assert pack(config, '--check') == 0


def change_annotation(config):
    file = config.parent / 'people.json'
    content = json.loads(file.read_text())
    content['annotations'][3]['bbox'][2] += 5
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    'change, text, person',
    [
        (change_annotation, r'people\.json has changed since', '1004'),
        (change_image, r'image .*7\.jpg has changed since', '1007'),
    ],
)
def test_stale_pack_is_refused_and_renewed(config, change, text, person):
    assert pack(config) == 0
    before = people_of(path_of(config))
    change(config)
    with pytest.raises(PackError, match=rf'people\.pack is stale: .*{text}: run `{SPEAKS}'):
        use_pack(build(config))
    assert pack(config, '--check') == 1
    assert pack(config) == 0
    use_pack(build(config))
    changed = [key for key, value in people_of(path_of(config)).items() if value != before[key]]
    assert changed == [person]


def test_image_of_another_time_is_the_same(config):
    assert pack(config) == 0
    os.utime(config.parent / 'images' / '7.jpg', ns=(1, 1))
    (config.parent / 'images' / '8.jpg').unlink()  # the pack replaces it
    dataset = build(config)
    use_pack(dataset)
    dataset[7]


def test_check_names_the_command(config, tmp_path, capsys):
    """The command in the message makes the pack, also at another path and with options."""
    out, options = tmp_path / 'my.pack', ['--cfg-options', 'train_dataloader.dataset.indices=9']
    assert pack(config, '--out', out, '--check', *options) == 2
    command = capsys.readouterr().err.split('`')[1]
    assert pack(*shlex.split(command)[2:]) == 0
    assert len(people_of(out)) == 9 and not path_of(config).exists()
    os.truncate(out / 'data.mdb', 5000)
    assert pack(config, '--out', out, '--check', *options) == 2
    assert f'{command} --anew`' in capsys.readouterr().err


def test_missing_pack(config):
    with pytest.raises(PackError, match=rf'people\.pack is missing: run `{SPEAKS} here\.py`'):
        use_pack(build(config), command=f'{SPEAKS} here.py')


@pytest.mark.parametrize('size', [0, 100, 5000])
def test_file_cut_short(config, size):
    assert pack(config) == 0
    os.truncate(path_of(config) / 'data.mdb', size)
    with pytest.raises(PackError, match=rf'people\.pack .*run `{SPEAKS}'):
        dataset = build(config)
        use_pack(dataset)
        for index in range(len(dataset)):
            dataset[index]
    assert pack(config, '--anew') == 0
    assert pack(config, '--check') == 0


def test_damaged_crop(config, capsys):
    assert pack(config) == 0
    key = key_of(1005, path_of(config))
    with lmdb.open(str(path_of(config))) as environment, environment.begin(write=True) as t:
        value = bytearray(t.get(key))
        value[-30] ^= 255
        t.put(key, bytes(value))
    dataset = build(config)
    use_pack(dataset)
    dataset[3]  # the neighboring crop is intact
    text = rf'people\.pack is damaged \(person 1005: .*run `{SPEAKS} .*--anew`'
    with pytest.raises(PackError, match=text):
        dataset[4]
    del dataset
    assert pack(config, '--check') == 1
    assert 'person 1005' in capsys.readouterr().out


def test_pack_of_another_version(config):
    assert pack(config) == 0
    with lmdb.open(str(path_of(config))) as environment, environment.begin(write=True) as t:
        meta = json.loads(bytes(t.get(b'meta')))
        t.put(b'meta', json.dumps(dict(meta, version=1)).encode())
    with pytest.raises(PackError, match=rf'people\.pack is of another version: run `{SPEAKS}'):
        use_pack(build(config))
    assert pack(config) == 0
    use_pack(build(config))


def test_unreadable_image_is_named(config, capsys):
    (config.parent / 'images' / '40.jpg').write_bytes(b'')
    assert pack(config) == 2
    assert 'images/40.jpg is empty' in capsys.readouterr().err
    shutil.copy(config.parent / 'images' / '41.jpg', config.parent / 'images' / '40.jpg')
    assert pack(config) == 0


def test_pipeline_that_needs_the_whole_image(config):
    assert pack(config) == 0
    pipeline = list(Config.fromfile(config).pipeline)
    pipeline.insert(1, dict(type='PhotometricDistortion'))
    with pytest.raises(ValueError, match='PhotometricDistortion needs the whole image'):
        use_pack(build(config, pipeline=pipeline))


@pytest.mark.parametrize(
    'settings',
    [dict(to_float32=True), dict(color_type='grayscale'), dict(imdecode_backend='pillow')],
)
def test_loader_that_reads_otherwise(config, settings):
    assert pack(config) == 0
    pipeline = list(Config.fromfile(config).pipeline)
    pipeline[0] = dict(pipeline[0], **settings)
    with pytest.raises(ValueError, match=r'LoadImage.* must read color images as uint8 by OpenCV'):
        use_pack(build(config, pipeline=pipeline))


def test_bottomup_is_refused(config, capsys):
    assert pack(config, '--cfg-options', 'train_dataloader.dataset.data_mode=bottomup') == 2
    assert 'only top-down' in capsys.readouterr().err


def test_batches_are_the_samples(config):
    """A batch prepared as a whole equals its samples prepared one by one."""
    assert pack(config) == 0
    dataset = build(config)
    use_pack(dataset)
    batched, indices = BatchedPipeline(dataset), [3, 69, 0, 10, 11, 3]
    np.random.seed(1)
    items = [dataset[index] for index in indices]
    np.random.seed(1)
    batch = batched(indices)
    assert torch.equal(batch['inputs'], torch.stack([item['inputs'] for item in items]))
    for sample, item in zip(batch['data_samples'].samples(), items):
        expected = item['data_samples']
        assert sample.id == expected.id and sample.ori_shape == expected.ori_shape
        assert torch.equal(sample.gt_fields.heatmaps, expected.gt_fields.heatmaps)


def test_ids_of_several_types(config):
    """Ids are integers, fractions and words; the pack finds each of them."""
    path = config.parent / 'people.json'
    content = json.loads(path.read_text())
    for number, annotation in enumerate(content['annotations']):
        annotation['id'] = (number, number + 0.5, f'person {number}', 2**63 + number)[number % 4]
    path.write_text(json.dumps(content))
    assert pack(config) == 0
    dataset = build(config)
    use_pack(dataset)
    batch = BatchedPipeline(dataset)(list(range(len(dataset))))
    ids = [sample.id for sample in batch['data_samples'].samples()]
    assert {type(one) for one in ids} == {int, float, str}


def test_works_in_workers(config):
    from mmengine.runner import Runner

    assert pack(config) == 0
    dataset = build(config)
    use_pack(dataset)
    dataset[0]  # opens the pack in this process as well
    loader = Runner.build_dataloader(
        dict(batch_size=10, num_workers=2, sampler=dict(type='DefaultSampler'), dataset=dataset)
    )
    assert sum(len(batch['inputs']) for batch in loader) == 70


def test_crop_lies_where_the_image_has_it():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (15, 20, 1), dtype=np.uint8)
    image = np.repeat(cv2.resize(noise, (400, 300), interpolation=cv2.INTER_CUBIC)[..., None], 3, 2)
    crop = cut_crop(image, (-20, 35, 203, 290), size=150, quality=100)
    assert crop.region == (0, 35, 203, 290) and crop.image_size == (400, 300)
    packed = PackedImage(crop).warp(np.array([[1.0, 0, -3], [0, 1, -40]]), (195, 245))
    inside = image[40:285, 3:198]
    assert np.abs(packed.astype(int) - inside).mean() < 2
    for axis in (0, 1):  # half a pixel of the crop would show
        assert np.abs(np.roll(packed, 1, axis).astype(int) - inside).mean() > 3
    with pytest.raises(PackError, match='shows pixels beyond the crop'):
        PackedImage(crop).warp(np.eye(3)[:2], (400, 300))


def test_reader_pickles_without_its_file(config):
    import pickle

    assert pack(config) == 0
    reader = pickle.loads(pickle.dumps(PackReader(path_of(config))))
    assert reader.crop(key_of(1001, path_of(config))).image_size == (160, 120)
