# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Files of the synthetic set: reproducibility, settings, folders, interruption."""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mmpose_ext.apps import synthetic
from mmpose_ext.apps.synthetic import cli as command
from mmpose_ext.apps.synthetic import generate, writer
from mmpose_ext.apps.synthetic.folder import image_id, image_name
from mmpose_ext.utils import errors, ranges

SMALL = dict(splits={'train': 5, 'val': 3}, image_size=(160, 120), progress=False)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob('*'))
        if file.is_file()
    }


# The same seed gives the same bytes.


def test_same_bytes_with_one_and_two_workers(tmp_path):
    first = digests(generate(tmp_path / 'a', workers=1, seed=3, **SMALL))
    second = digests(generate(tmp_path / 'b', workers=2, seed=3, **SMALL))
    assert first == second
    assert len(first) == 5 + 3 + 4 + 1


def test_other_seed_gives_other_images(tmp_path):
    first = digests(generate(tmp_path / 'a', workers=1, seed=3, **SMALL))
    second = digests(generate(tmp_path / 'b', workers=1, seed=4, **SMALL))
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)  # no image occurs twice, in any split


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path):
    few = generate(tmp_path / 'few', {'val': 2}, progress=False, workers=1)
    more = generate(tmp_path / 'more', {'train': 1, 'val': 4}, progress=False, workers=1)
    for index in range(2):
        name = image_name('val', index)
        assert (few / 'val' / name).read_bytes() == (more / 'val' / name).read_bytes()
    for kind in ('keypoints', 'detections'):
        first, second = (
            json.loads((folder / f'annotations/person_{kind}_val.json').read_text())
            for folder in (few, more)
        )
        if kind == 'keypoints':
            first, second = first['annotations'], second['annotations']
        ids = {image_id('val', index) for index in range(2)}
        assert first == [entry for entry in second if entry['image_id'] in ids]


# Settings, folders, interruption.


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(people=(0, 3)), r'people must be .* not \(0, 3\)'),  # none
        (dict(people=(4, 2)), r'people must be .* not \(4, 2\)'),  # the wrong way round
        (dict(people=(1, 61)), 'people must be'),  # too many
        (dict(people=(1, 60), image_size=(64, 64)), 'too small for 60 people'),
        (dict(image_size=(32, 240)), r'image_size must be .* not \(32, 240\)'),
        (dict(image_size=(320, 9000)), 'image_size must be'),
        (dict(splits={'train': -1}), r"splits\['train'\] must be 0 to 999999, not -1"),
        (dict(splits={'dev': 5}), "splits are train, val, test, not 'dev'"),
        (dict(splits={'train': 0}), 'set one of splits above 0'),
        (dict(seed=-1), 'seed must be 0 or more, not -1'),
        (dict(quality=0), 'quality must be 1 to 100, not 0'),
        (dict(workers=0), 'workers must be 1 or more, not 0'),
    ],
)
def test_bad_settings(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / 'out', progress=False, **settings)
    assert not (tmp_path / 'out').exists()


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='did not write.*overwrite=True'):
        generate(tmp_path, **SMALL)
    assert [file.name for file in tmp_path.iterdir()] == ['notes.txt']
    generate(tmp_path, overwrite=True, workers=1, **SMALL)
    assert (tmp_path / 'notes.txt').read_text() == 'mine'
    with pytest.raises(FileExistsError, match='is a file'):
        generate(tmp_path / 'notes.txt', **SMALL)


def test_the_command_names_its_flag(tmp_path, capsys):
    (tmp_path / 'notes.txt').write_text('mine')
    assert command.main(['--out', str(tmp_path), '--train', '1', '--val', '0']) == 2
    message = capsys.readouterr().err
    assert '--overwrite' in message and 'overwrite=True' not in message


def test_a_set_with_other_settings_is_replaced_only_on_request(tmp_path):
    generate(tmp_path / 'out', workers=1, seed=1, **SMALL)
    before = digests(tmp_path / 'out')
    with pytest.raises(FileExistsError, match=r'other settings \(.*seed.* differ\)'):
        generate(tmp_path / 'out', workers=1, seed=2, **SMALL)
    assert digests(tmp_path / 'out') == before
    fewer = dict(SMALL, splits={'train': 2})
    generate(tmp_path / 'out', workers=1, seed=2, overwrite=True, **fewer)
    assert digests(tmp_path / 'out') == digests(
        generate(tmp_path / 'new', workers=1, seed=2, **fewer)
    )


def test_a_finished_set_is_not_made_again(tmp_path, monkeypatch):
    out = generate(tmp_path / 'out', workers=1, **SMALL)

    def refuse(*args, **kwargs):
        raise AssertionError('drew an image again')

    with monkeypatch.context() as patch:
        patch.setattr(writer, 'make_image', refuse)
        assert generate(out, workers=1, **SMALL) == out
    before = digests(out)
    next((out / 'train').glob('*.jpg')).unlink()  # no longer whole
    generate(out, workers=1, **SMALL)
    assert digests(out) == before


@pytest.mark.parametrize('stop_at', [1, 6])  # in the training and in the validation images
def test_an_interrupted_set_is_not_taken_for_a_whole_one(tmp_path, monkeypatch, stop_at):
    out, drawn_images = tmp_path / 'out', []

    def stop(*args):
        drawn_images.append(args)
        if len(drawn_images) > stop_at:
            raise KeyboardInterrupt
        return make_image(*args)

    make_image = writer.make_image
    with monkeypatch.context() as patch:
        patch.setattr(writer, 'make_image', stop)
        with pytest.raises(KeyboardInterrupt):
            generate(out, workers=1, **SMALL)
    assert not json.loads((out / 'manifest.json').read_text())['complete']
    assert not (out / 'annotations/person_keypoints_val.json').exists()
    (out / 'train' / f'{image_name("train", 4)}.tmp').write_bytes(b'half an im')
    generate(out, workers=1, **SMALL)
    assert digests(out) == digests(generate(tmp_path / 'whole', workers=1, **SMALL))


def test_command(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = [
        '--train',
        '2',
        '--val',
        '1',
        '--size',
        '96',
        '80',
        '--people',
        '1',
        '2',
        '--quiet',
        '--seed',
        '5',
        '--workers',
        '1',
    ]
    out = tmp_path / 'out'
    assert command.run(parser.parse_args(['--out', str(out), *options])) == 0
    same = generate(tmp_path / 'same', {'train': 2, 'val': 1}, 5, (1, 2), (96, 80), progress=False)
    assert digests(out) == digests(same)
    assert command.main(['--out', str(out), '--train', '3']) == 2
    assert 'other settings' in capsys.readouterr().err


def is_of_the_standard_library(name: str) -> bool:
    origin = importlib.util.find_spec(name).origin or 'built-in'  # Python 3.8 gives sys none
    inside = sysconfig.get_paths()['stdlib']
    return origin in ('built-in', 'frozen') or (
        origin.startswith(inside) and 'site-packages' not in origin
    )


def test_drawing_needs_no_deep_learning_package():
    allowed = {'numpy', 'cv2', 'tqdm'}
    helpers = [Path(module.__file__) for module in (errors, ranges)]  # they need none either
    for file in [*Path(synthetic.__file__).parent.glob('*.py'), *helpers]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            names = [name for name in names if not name.startswith('mmpose_ext.utils.')]
            packages = {name.split('.')[0] for name in names} - allowed
            assert all(map(is_of_the_standard_library, packages)), file.name


def test_after_opencv_used_its_threads(tmp_path):
    """OpenCV's thread pool does not survive a fork; processes used to wait for it forever."""
    script = (
        'import sys, cv2, numpy as np\n'
        'from mmpose_ext.apps.synthetic import generate\n'
        'cv2.setNumThreads(4)\n'
        'image = np.zeros((2000, 2000, 3), np.uint8)\n'
        'cv2.GaussianBlur(cv2.resize(image, (3000, 3000)), (0, 0), 5)\n'
        "generate(sys.argv[1], {'train': 4}, 0, (1, 1), (96, 80), workers=2, progress=False)\n"
        'assert cv2.getNumThreads() == 4\n'
    )
    command = [sys.executable, '-c', script, str(tmp_path / 'set')]
    subprocess.run(command, check=True, timeout=120)
    assert len(list((tmp_path / 'set' / 'train').glob('*.jpg'))) == 4
