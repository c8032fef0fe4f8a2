# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The example in docs/export.md runs without torch and mmpose."""

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from mmpose_ext.apps.export import export_onnx
from mmpose_ext.apps.predict import PoseInferencer

BLOCKED = """
import sys
for name in ('torch', 'torchvision', 'mmpose', 'mmengine', 'mmcv', 'mmdet', 'scipy', 'mmpose_ext'):
    sys.modules[name] = None
sys.path.insert(0, sys.argv.pop(1))
exec(compile(open(sys.argv.pop(1)).read(), 'example.py', 'exec'))
"""
BOX = (20.0, 10.0, 110.0, 140.0)


@pytest.mark.parametrize('kind', ['composite_resnet', 'attention_udp', 'disk_offset'])
def test_example(kind, root, small_model, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (10, 9, 3), np.uint8)
    image = cv2.resize(image, (130, 150), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    topdown = kind != 'disk_offset'
    config, checkpoint = small_model(kind)
    export_onnx(config, checkpoint, tmp_path / 'model.onnx', decode=topdown)
    (code,) = re.findall(r'```python\n(.*?)```', (root / 'docs/export.md').read_text(), re.S)
    (tmp_path / 'example.py').write_text(code)
    arguments = ['model.onnx', 'image.png', *(map(str, BOX) if topdown else ())]
    result = subprocess.run(
        [sys.executable, '-c', BLOCKED, str(tmp_path), 'example.py', *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if not line.startswith('person')]
    found = np.array([row[1:] for row in rows], float).reshape(-1, 17, 3)
    assert rows[0][0] == 'nose'

    inferencer = PoseInferencer(config, checkpoint, 'cpu')
    boxes = [np.array([[*BOX, 1.0]], np.float32)] if topdown else None
    with torch.no_grad():
        (samples,) = inferencer.predict([image], boxes)
    expected = samples[0].pred_instances
    assert abs(len(found) - len(expected.keypoints)) <= 1  # expected OKS gives scores near 0
    distance = np.linalg.norm(found[:5, :, :2] - expected.keypoints[:5], axis=-1)
    # the crops differ by a gray level in some pixels
    assert np.median(distance) < 0.1
