# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's Python interface and demo scripts find the same people as ``mmpose-ext predict``."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import mmpose
import numpy as np
import pytest
from mmpose.apis import MMPoseInferencer, inference_bottomup, inference_topdown, init_model

from mmpose_ext.apps.detect.person_detector import PersonDetector
from mmpose_ext.apps.predict import BoxSource, Drawing, predict

TOPDOWN = 'configs/demo/attention_resnet18_128x96.py'
FRSBN = 'configs/frsbn_resnet34_256x192.py'
STRONGPOSE = 'configs/demo/strongpose_resnet18_193x193.py'
CLUSTER = 'configs/demo/cluster_hourglass2_160x160.py'

DEMO = Path(mmpose.__file__).parent / '.mim' / 'demo'
BOXES = [[10.0, 5.0, 70.0, 90.0], [60.0, 20.0, 150.0, 115.0]]


def predicted(model, picture, ann_file=None, **boxes) -> np.ndarray:
    """Return x, y, score (N, 17, 3) by ``mmpose-ext predict``, with the best person first."""
    found = predict(
        model.config,
        model.checkpoint,
        str(picture),
        boxes=BoxSource(**boxes),
        drawing=Drawing(draw=False),
        ann_file=ann_file,
        device='cpu',
    )
    assert not found.failures
    return ordered([np.reshape(result['keypoints'], (-1, 3)) for result in found.results])


def ordered(people) -> np.ndarray:
    """Sort people from left to right."""
    assert len(people)
    return np.stack(sorted(people, key=lambda person: tuple(person.mean(0))))


def of_instances(instances: list) -> np.ndarray:
    """Return the people in mmpose's JSON."""
    return ordered([np.c_[i['keypoints'], i['keypoint_scores']] for i in instances])


def of_samples(samples: list) -> np.ndarray:
    """Return the people in mmpose's data samples."""
    found = [sample.pred_instances for sample in samples]
    return ordered([np.c_[k, s] for i in found for k, s in zip(i.keypoints, i.keypoint_scores)])


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-3)


def run_demo(monkeypatch, script: str, *args) -> None:
    monkeypatch.setattr(sys, 'argv', [script, *map(str, args)])
    runpy.run_path(str(DEMO / script), run_name='__main__')


def written_boxes(picture, folder) -> dict:
    """Write a detection file of ``BOXES`` and an annotation file with the picture's id."""
    image = dict(id=1, file_name=picture.name, width=160, height=120)
    (folder / 'ann.json').write_text(json.dumps(dict(images=[image], annotations=[])))
    boxes = [
        dict(image_id=1, category_id=1, score=0.9, bbox=[x1, y1, x2 - x1, y2 - y1])
        for x1, y1, x2, y2 in BOXES
    ]
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    return dict(detections=folder / 'boxes.json', ann_file=folder / 'ann.json')


@pytest.mark.parametrize('name', [TOPDOWN, FRSBN])
def test_topdown_in_python(demo_model, picture, tmp_path, name):
    model = demo_model(name)
    whole = predicted(model, picture, whole_image=True)
    inferencer = MMPoseInferencer(
        pose2d=model.config, pose2d_weights=model.checkpoint, det_model='whole_image', device='cpu'
    )
    result = next(inferencer(str(picture), out_dir=str(tmp_path / 'out')))
    assert_equal(of_instances(result['predictions'][0]), whole)
    assert len(list((tmp_path / 'out').rglob('picture.*'))) == 2  # JSON and image
    estimator = init_model(model.config, model.checkpoint, device='cpu')
    assert_equal(of_samples(inference_topdown(estimator, str(picture))), whole)
    expected = predicted(model, picture, **written_boxes(picture, tmp_path))
    assert len(expected) == 2 and abs(expected[0] - expected[1]).max() > 5
    assert_equal(
        of_samples(inference_topdown(estimator, cv2.imread(str(picture)), BOXES)), expected
    )


@pytest.mark.parametrize('name', [STRONGPOSE, CLUSTER])
def test_bottomup_in_python(demo_model, picture, name):
    model = demo_model(name)
    expected = predicted(model, picture)
    inferencer = MMPoseInferencer(
        pose2d=model.config, pose2d_weights=model.checkpoint, device='cpu'
    )
    for _ in range(2):  # the second call keeps the settings of the first
        result = next(inferencer(str(picture)))
        assert_equal(of_instances(result['predictions'][0]), expected)
    estimator = init_model(model.config, model.checkpoint, device='cpu')
    assert_equal(of_samples(inference_bottomup(estimator, str(picture))), expected)


def test_demo_scripts(demo_model, picture, tmp_path, monkeypatch):
    model, out = demo_model(TOPDOWN), tmp_path / 'image_demo.png'
    args = (picture, model.config, model.checkpoint, '--device=cpu', '--draw-heatmap')
    run_demo(monkeypatch, 'image_demo.py', *args, '--out-file', out)
    assert cv2.imread(str(out)) is not None
    args = ('--pose2d', model.config, '--pose2d-weights', model.checkpoint, '--device=cpu')
    folder = tmp_path / 'inferencer'
    more = ('--det-model=whole_image', '--draw-heatmap', '--pred-out-dir', folder)
    run_demo(monkeypatch, 'inferencer_demo.py', picture, *args, *more)
    found = json.loads((folder / 'picture.json').read_text())
    assert_equal(of_instances(found), predicted(model, picture, whole_image=True))


@pytest.mark.parametrize('name', [STRONGPOSE, CLUSTER])
def test_bottomup_demo_script(demo_model, picture, tmp_path, monkeypatch, name):
    model = demo_model(name)
    args = (model.config, model.checkpoint, '--input', picture, '--output-root', tmp_path)
    more = ('--save-predictions', '--draw-heatmap', '--device=cpu')
    run_demo(monkeypatch, 'bottomup_demo.py', *args, *more)
    found = json.loads((tmp_path / 'results_picture.json').read_text())['instance_info']
    assert_equal(of_instances(found), predicted(model, picture))
    assert cv2.imread(str(tmp_path / 'picture.png')) is not None


WITH_DETECTOR = """
import sys
from mmpose_ext.utils import mmdet_import
from mmpose.apis import MMPoseInferencer
import runpy, json
det, det_weights, pose, pose_weights, picture, out, demo, thr = sys.argv[1:]
inferencer = MMPoseInferencer(
    pose2d=pose, pose2d_weights=pose_weights, det_model=det, det_weights=det_weights,
    det_cat_ids=0, device='cpu',
)
for _ in inferencer(picture, pred_out_dir=out, bbox_thr=float(thr), nms_thr=0.3):
    pass
sys.argv = [demo, det, det_weights, pose, pose_weights, '--input', picture, '--output-root', out,
            '--save-predictions', '--device=cpu', '--bbox-thr', thr, '--nms-thr=0.3']
runpy.run_path(demo, run_name='__main__')
"""


def test_with_a_detector(demo_model, detector, picture, tmp_path, root):
    """The test runs in a separate process, because mmpose looks for mmdet only on import."""
    model = demo_model(TOPDOWN)
    boxes = PersonDetector(detector.config, detector.checkpoint, 'person', 'cpu').boxes
    scores = np.sort(boxes([cv2.imread(str(picture))])[0][:, 4])[-9:-2]
    gap = np.diff(scores).argmax()
    thr = float(scores[gap : gap + 2].mean())  # no score is near it
    files = (detector.config, detector.checkpoint, model.config, model.checkpoint, picture)
    script = str(DEMO / 'topdown_demo_with_mmdet.py')
    command = [sys.executable, '-c', WITH_DETECTOR, *map(str, (*files, tmp_path, script, thr))]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert result.returncode == 0, result.stderr[-3000:]
    assert 'OneDL' not in result.stdout + result.stderr
    expected = predicted(
        model,
        picture,
        det_config=detector.config,
        det_checkpoint=detector.checkpoint,
        box_thr=thr,
        box_nms=0.3,
    )
    assert len(expected) > 1
    assert_equal(of_instances(json.loads((tmp_path / 'picture.json').read_text())), expected)
    found = json.loads((tmp_path / 'results_picture.json').read_text())['instance_info']
    assert_equal(of_instances(found), expected)
