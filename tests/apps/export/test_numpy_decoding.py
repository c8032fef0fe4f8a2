# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The numpy decoder compared with the codecs and mmpose's transforms."""

import ast
import importlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import BottomupResize, GetBBoxCenterScale, TopdownAffine

from mmpose_ext.apps.export.decoder_file import decoding_settings, write_decoder
from mmpose_ext.apps.export.metadata import UNITS
from mmpose_ext.codecs import ClusterTag, DiskOffset

SIZE = (129, 161)


@pytest.fixture(scope='module')
def decoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('decoder')
    write_decoder(folder)
    sys.path.insert(0, str(folder))
    yield importlib.import_module('pose_decoding')
    sys.path.remove(str(folder))


def _people(number: int) -> np.ndarray:
    """Return keypoints (N, K, 2) around people's centers."""
    random = np.random.default_rng(number)
    middle = random.uniform(30, [SIZE[0] - 30, SIZE[1] - 30], (number, 1, 2))
    return (middle + random.normal(0, 18, (number, 17, 2))).astype(np.float32)


def _disk_offset_maps(codec, people, noise):
    maps = codec.encode(people)
    maps = {name: torch.from_numpy(maps[name])[None] for name in codec.decoded_names}
    return {
        n: v + noise * torch.randn(v.shape) * (20 if 'off' in n else 1) for n, v in maps.items()
    }


def _cluster_tag_maps(codec, people, noise):
    """Return drawn heatmaps, and each cluster's tags at its keypoints."""
    drawn = codec.encode(people)
    heatmaps = torch.from_numpy(drawn['heatmaps'])
    tags = torch.zeros_like(heatmaps).flatten(1)
    for person, indices in enumerate(drawn['keypoint_indices']):
        for k, index in enumerate(indices):
            if drawn['keypoint_weights'][person, k]:
                place = int(codec.place_in_cluster[k])
                tags[codec.cluster_of[k], index] = 3.0 * person + place * codec.delta
    tags = tags.view_as(heatmaps) + noise * 0.1 * torch.randn(heatmaps.shape)
    return dict(heatmaps=(heatmaps + noise * torch.randn(heatmaps.shape))[None], tags=tags[None])


CASES = {
    'disks': (DiskOffset, dict(map_size=(17, 21), radius=8), _disk_offset_maps),
    'large maps': (DiskOffset, dict(radius=8, keypoint_score='heatmap'), _disk_offset_maps),
    'OKS': (DiskOffset, dict(map_size=(17, 21), radius=8, nms='soft_oks'), _disk_offset_maps),
    'no rescue': (
        DiskOffset,
        dict(map_size=(17, 21), nms='hard_oks', rescue=False),
        _disk_offset_maps,
    ),
    'refined once': (DiskOffset, dict(map_size=(17, 21), refine_steps=1), _disk_offset_maps),
    'clusters': (ClusterTag, dict(heatmap_size=(32, 40)), _cluster_tag_maps),
    'five clusters': (ClusterTag, dict(heatmap_size=(32, 40), clusters=5), _cluster_tag_maps),
    'not filled': (ClusterTag, dict(heatmap_size=(32, 40), fill_missing=False), _cluster_tag_maps),
    'not refined': (ClusterTag, dict(heatmap_size=(32, 40), refine=False), _cluster_tag_maps),
}


@pytest.mark.parametrize('noise', [0.0, 0.05])
@pytest.mark.parametrize('number', [1, 4])
@pytest.mark.parametrize('case', CASES)
def test_people_are_the_codecs(case, number, noise, decoder):
    kind, settings, draw = CASES[case]
    codec = kind(input_size=SIZE if kind is DiskOffset else (128, 160), **settings)
    maps = draw(codec, _people(number), noise)
    decoding = json.loads(json.dumps(decoding_settings(codec)))  # as they are stored in a file
    metadata = dict(outputs={name: '' for name in maps}, decoding=decoding)
    found = decoder.decode([v.numpy() for v in maps.values()], metadata, codec.input_size)
    keypoints, scores, people = codec.batch_decode(maps)
    assert len(keypoints[0]) >= (1 if noise else number)
    likely = (people[0] > 1e-6).sum()  # expected OKS gives scores down to 1e-45
    np.testing.assert_allclose(found[0][2][:likely], people[0][:likely], atol=1e-5)
    np.testing.assert_allclose(found[0][1][:likely], scores[0][:likely], atol=1e-5)
    np.testing.assert_allclose(found[0][0][:likely], keypoints[0][:likely], atol=1e-3)


def both_ways(codec, maps, decoder):
    """Return the keypoints of an image by the codec and by the numpy decoder, or their errors."""
    metadata = dict(outputs=dict.fromkeys(maps), decoding=decoding_settings(codec))
    arrays = [value.numpy() for value in maps.values()]
    found = []
    for decode in (
        codec.batch_decode,
        lambda _: decoder.decode(arrays, metadata, codec.input_size),
    ):
        try:
            found.append(decode(maps)[0][0])
        except ValueError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('share', [1.0, 1e-4])  # everywhere; in one cell or a few
@pytest.mark.parametrize('case', ['disks', 'large maps', 'clusters', 'five clusters'])
def test_non_finite_maps_are_refused_as_by_the_codecs(case, share, bad, decoder):
    kind, settings, draw = CASES[case]
    codec = kind(input_size=SIZE if kind is DiskOffset else (128, 160), **settings)
    clean = draw(codec, _people(2), 0.0)
    for name in clean:
        maps = {key: value.clone() for key, value in clean.items()}
        number = max(1, int(share * maps[name].numel()))
        maps[name].view(-1)[torch.randperm(maps[name].numel())[:number]] = bad
        ours, theirs = both_ways(codec, maps, decoder)
        assert f'{name} holds {number} NaN or infinite values' in ours
        assert ours == theirs


@pytest.mark.parametrize('name', ['short_offsets', 'mid_offsets', 'long_offsets'])
def test_large_offsets_are_checked_where_they_are_followed(name, decoder):
    """As by the codec, NaN far from people is not seen, and near them it is refused."""
    codec = DiskOffset((321, 257), radius=8)
    people = (_people(1) * 0.5).clip(0, 90)
    for seen, region in ((False, slice(200, None)), (True, slice(0, 150))):
        maps = _disk_offset_maps(codec, people, 0.0)
        maps[name][..., region, region] = np.nan
        ours, theirs = both_ways(codec, maps, decoder)
        if seen:
            assert f'{name} holds' in ours and ours == theirs
        else:
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_non_finite_keypoints_of_a_topdown_model_are_refused(decoder):
    outputs = [np.zeros((1, 17, 2), np.float32), np.full((1, 17), np.nan, np.float32)]
    metadata = dict(outputs=dict(keypoints='', scores=''))
    with pytest.raises(ValueError, match='scores holds 17 NaN or infinite values'):
        decoder.decode(outputs, metadata, SIZE)


@pytest.mark.parametrize('codec', [DiskOffset(SIZE, (17, 21)), ClusterTag((128, 160), (32, 40))])
def test_nobody(codec, decoder):
    channels = dict(body_heatmaps=1, short_offsets=34, mid_offsets=64, long_offsets=34)
    names = codec.decoded_names
    maps = [np.zeros((2, channels.get(name, 17), 40, 32), np.float32) for name in names]
    metadata = dict(outputs=dict.fromkeys(names), decoding=decoding_settings(codec))
    found = decoder.decode(maps, metadata, codec.input_size)
    assert [len(keypoints) for keypoints, _, _ in found] == [0, 0]


@pytest.mark.parametrize('use_udp', [False, True])
@pytest.mark.parametrize('box', [(10, 20, 110, 80), (5.5, 7.25, 40, 150)])  # wide, high
def test_person_frame_is_mmposes(box, use_udp, decoder):
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = GetBBoxCenterScale(padding=1.25)(dict(img=image, bbox=np.array([box], np.float32)))
    data = TopdownAffine(input_size=(48, 64), use_udp=use_udp)(data)
    crop = dict(padding=1.25, use_udp=use_udp)
    frame = decoder.person_frame(box, dict(input=dict(size=[48, 64]), crop=crop))
    np.testing.assert_allclose(frame.center, data['input_center'], atol=1e-4)
    np.testing.assert_allclose(frame.extent, data['input_scale'], atol=1e-3)
    warped = cv2.warpAffine(image, frame.matrix, frame.size)
    assert np.abs(warped.astype(int) - data['img']).max() <= 1


@pytest.mark.parametrize('use_udp', [False, True])
@pytest.mark.parametrize('mode', ['fit', 'expand'])
@pytest.mark.parametrize('width, height', [(200, 90), (90, 200)])
def test_image_frame_is_mmposes(width, height, mode, use_udp, decoder):
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    transform = BottomupResize((64, 96), size_factor=32, resize_mode=mode, use_udp=use_udp)
    data = transform(dict(img=image, ori_shape=(height, width)))
    crop = dict(resize_mode=mode, size_factor=32, use_udp=use_udp)
    frame = decoder.image_frame(
        width, height, dict(input=dict(size=[64, 96], dynamic_size=True), crop=crop)
    )
    assert frame.size == tuple(data['input_size'])
    np.testing.assert_allclose(frame.center, data['input_center'], atol=1e-4)
    np.testing.assert_allclose(frame.extent, data['input_scale'], atol=1e-3)
    resized = cv2.warpAffine(image, frame.matrix, frame.size)
    assert np.abs(resized.astype(int) - data['img']).max() <= 1


def test_the_folder_needs_numpy_only(tmp_path):
    write_decoder(tmp_path)
    script = (
        'import sys, numpy\n'
        "for name in ('torch', 'mmpose', 'mmengine', 'mmcv', 'scipy', 'cv2', 'mmpose_ext'):\n"
        '    sys.modules[name] = None\n'
        'import pose_decoding\n'
        'print(sorted(pose_decoding.BOTTOM_UP))'
    )
    result = subprocess.run(
        [sys.executable, '-c', script], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.strip() == "['ClusterTag', 'DiskOffset']", result.stderr


def test_no_module_of_the_folder_tries_another_package(tmp_path):
    """No shipped module imports a package where it is there: all would decode alike no longer."""
    allowed = {
        '__future__',
        'collections',
        'dataclasses',
        'functools',
        'json',
        'math',
        'numbers',
        'typing',
    }
    for file in sorted(write_decoder(tmp_path).rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = {str(node.module).split('.')[0]}
            else:
                continue
            assert names <= allowed | {'numpy'}, file


def test_every_map_has_a_unit():
    names = {*DiskOffset(SIZE).decoded_names, *ClusterTag((128, 160), (32, 40)).decoded_names}
    assert names <= set(UNITS)
