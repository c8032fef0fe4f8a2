# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Exported graphs of each kind of network agree with PyTorch."""

import json
import re
import sys

import cv2
import numpy as np
import onnxruntime
import pytest

from mmpose_ext.apps.export import export_onnx
from mmpose_ext.apps.export.graph import INPUT_KINDS
from mmpose_ext.apps.export.verification import random_images
from mmpose_ext.apps.main import main

LONG = pytest.mark.long
TOPDOWN = [
    # kind, whether keypoints are decoded inside the graph, input
    ('attention', True, 'uint8'),
    ('attention', False, 'float32'),
    ('attention_unbiased', True, 'uint8'),
    ('attention_udp', True, 'normalized'),
    ('heatmap_hourglass', True, 'uint8'),
    ('composite_resnet', True, 'float32'),
    ('composite_hourglass', False, 'uint8'),
    ('full_resolution', True, 'uint8'),
    ('full_resolution', False, 'normalized'),
    pytest.param('attention_unbiased', False, 'uint8', marks=LONG),
    pytest.param('heatmap_hourglass', False, 'uint8', marks=LONG),
    pytest.param('attention_udp', False, 'uint8', marks=LONG),
    pytest.param('composite_resnet', False, 'uint8', marks=LONG),
    pytest.param('composite_hourglass', True, 'uint8', marks=LONG),
]


@pytest.mark.parametrize('kind, decode, input_kind', TOPDOWN)
def test_topdown(kind, decode, input_kind, small_model, tmp_path):
    done = export_onnx(*small_model(kind), tmp_path / 'model.onnx', input_kind, decode)
    assert done.verification.passed
    assert done.verification.compared > 8
    session = onnxruntime.InferenceSession(done.path)
    names = [output.name for output in session.get_outputs()]
    assert (names == ['keypoints', 'scores']) == decode
    metadata = json.loads(session.get_modelmeta().custom_metadata_map['mmpose_ext'])
    inputs = metadata['input']
    assert inputs['dynamic_size'] != decode
    w, h = inputs['size']
    dtype = np.uint8 if input_kind == 'uint8' else np.float32
    for batch in (1, 3):
        shape = (batch, 3, h, w) if input_kind == 'normalized' else (batch, h, w, 3)
        outputs = session.run(None, {'images': np.zeros(shape, dtype)})
        assert all(len(output) == batch for output in outputs)
    if decode:
        assert [output.shape for output in outputs] == [(3, 17, 2), (3, 17)]


@pytest.mark.parametrize('kind', ['disk_offset', 'cluster_tag'])
def test_bottomup(kind, small_model, tmp_path):
    done = export_onnx(*small_model(kind), tmp_path / 'model.onnx')
    assert done.verification.passed
    assert done.verification.compared > 8
    assert (tmp_path / 'pose_decoding' / '__init__.py').exists()


def test_input_kinds_agree(small_model, tmp_path):
    """The same image as uint8, float32 and normalized gives the same keypoints."""
    image = random_images((64, 96))[0]
    found = []
    for input_kind in INPUT_KINDS:
        done = export_onnx(
            *small_model('composite_resnet'), tmp_path / 'model.onnx', input_kind, decode=True
        )
        inputs = image if input_kind == 'uint8' else image.astype(np.float32)
        if input_kind == 'normalized':
            told = done.metadata['input']
            assert (told['layout'], told['channels']) == ('BCHW', 'RGB')
            inputs = (image[..., ::-1] - np.array(told['mean'])) / np.array(told['std'])
            inputs = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2), np.float32)
        session = onnxruntime.InferenceSession(done.path)
        found.append(session.run(['keypoints'], {'images': inputs})[0])
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)
    np.testing.assert_allclose(found[2], found[0], atol=1e-2)


@pytest.mark.parametrize(
    'kind, settings, message',
    [
        ('cluster_tag', dict(decode=True), 'cannot be decoded inside the graph, '),
        ('cluster_tag', dict(decode=True), 'Leave out decode=True to export the maps'),
        ('attention', dict(tolerance=-1), 'tolerance must be 0 or more, not -1'),
        (
            'attention',
            dict(input_kind='bgr'),
            'input_kind must be one of uint8, float32, normalized, ',
        ),
    ],
)
def test_refused(kind, settings, message, small_model, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        export_onnx(*small_model(kind), tmp_path / 'model.onnx', **settings)
    assert not list(tmp_path.iterdir())


def test_associative_embedding_is_refused(bottomup, tmp_path):
    """Its head is mmpose's HeatmapHead with more outputs, which no codec here decodes."""
    with pytest.raises(ValueError, match='AssociativeEmbeddingHead cannot be exported'):
        export_onnx(bottomup.config, bottomup.checkpoint, tmp_path / 'model.onnx')


def test_missing_package_is_named(monkeypatch, small_model, tmp_path):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match=re.escape("pip install 'mmpose_ext[export]'")):
        export_onnx(*small_model('attention'), tmp_path / 'model.onnx')


class _Shifted:
    """A session whose keypoints are a hundredth of a pixel off."""

    def __init__(self, session):
        self.session = session

    def run(self, *args):
        keypoints, scores = self.session.run(*args)
        return [keypoints + np.float32(0.01), scores]


class _Noisy:
    """A session whose maps are off by up to a part of their largest value."""

    def __init__(self, session, part):
        self.session, self.part = session, part

    def run(self, *args):
        random = np.random.default_rng(0)
        return [
            value + random.uniform(-1, 1, value.shape).astype('f') * self.part * abs(value).max()
            for value in self.session.run(*args)
        ]


# the check accepts people that rounding regroups, but not people of other maps
@pytest.mark.parametrize('part, passes', [(1e-8, True), (1e-3, False), (0.1, False)])
@pytest.mark.parametrize('kind', ['disk_offset', 'cluster_tag'])
def test_other_maps_are_found_out(kind, part, passes, monkeypatch, small_model, tmp_path):
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, 'InferenceSession', lambda *args, **kw: _Noisy(real(*args, **kw), part)
    )
    done = export_onnx(*small_model(kind), tmp_path / 'model.onnx')
    assert done.verification.passed == passes


def test_command_fails_where_results_differ(monkeypatch, capsys, small_model, tmp_path):
    config, checkpoint = small_model('composite_resnet')
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), random_images((40, 50))[0][0])
    out = tmp_path / 'model.onnx'
    arguments = ['export', config, checkpoint, '--decode', '--out', str(out)]
    assert main([*arguments, '--images', str(image)]) == 0
    text = capsys.readouterr().out
    assert "px of PyTorch's" in text and '1x64x96, 3x64x96, 1x64x96' in text
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, 'InferenceSession', lambda *args, **kw: _Shifted(real(*args, **kw))
    )
    assert main(arguments) == 1
    assert 'do not use it' in capsys.readouterr().err
    assert main([*arguments, '--images', str(tmp_path / 'none.png')]) == 2
    assert 'none.png cannot be read' in capsys.readouterr().err
