# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmpose_ext.apps.detect import detect
from mmpose_ext.apps.detect.detection import detection_results
from mmpose_ext.apps.detect.person_detector import PersonDetector
from mmpose_ext.apps.predict import PoseInferencer
from mmpose_ext.engine import CheckpointMismatchError
from mmpose_ext.utils import mmdet_import
from mmpose_ext.utils.sequences import zip_equal


@pytest.fixture(scope='module')
def found(detector, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp('found') / 'boxes.json'
    arguments = (detector.config, detector.checkpoint, pictures.ann, pictures.images, out)
    return detect(*arguments, batch_size=1, device='cpu'), out


def test_nothing_is_told_that_nobody_can_do_anything_about(detector, topdown, monkeypatch):
    told = []
    monkeypatch.setattr('mmengine.logging.print_log', lambda text, **kwargs: told.append(text))
    PersonDetector(detector.config, detector.checkpoint, device='cpu')
    PoseInferencer(topdown.config, topdown.checkpoint, device='cpu')
    assert not [text for text in told if 'Failed to search registry' in text]


def test_boxes_are_mmdets_own(found, detector, pictures):
    """The boxes are those of mmdet's inferencer, image by image."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        inferencer = mmdet_import.DetInferencer(
            str(detector.config), str(detector.checkpoint), 'cpu', show_progress=False
        )
        # 'return_datasample' in mmdet 3.1
        (option,) = (
            name for name in inferencer.postprocess_kwargs if name.startswith('return_datasample')
        )
        samples = [
            inferencer(str(path), **{option: True})['predictions'][0] for path in pictures.paths
        ]
    expected = []
    for number, sample in enumerate(samples):
        instances = sample.pred_instances
        boxes = np.c_[instances.bboxes, instances.scores][instances.labels.numpy() == 0]
        assert 0 < len(boxes) < len(instances)  # some dogs
        expected += detection_results(101 + number, boxes[np.argsort(-boxes[:, 4], kind='stable')])
    results = found[0].results
    assert [r['image_id'] for r in results] == [r['image_id'] for r in expected]
    for one, other in zip_equal(results, expected):
        assert one['score'] == pytest.approx(other['score'], abs=1e-5)
        np.testing.assert_allclose(one['bbox'], other['bbox'], atol=0.01)


def test_form_is_that_of_cocos_detection_files(found, shared_data):
    official = json.loads(
        (shared_data / 'mmpose-samples' / 'coco' / 'test_coco_det_AP_H_56.json').read_text()
    )
    made = json.loads(found[1].read_text())
    assert made == found[0].results

    def form(detections):
        return {
            tuple(
                sorted((key, type(value).__name__, len(value) if key == 'bbox' else None)
                for key, value in detection.items())
            )
            for detection in detections
        }  # fmt: skip

    assert form(made) == form(official)
    assert {detection['category_id'] for detection in made} == {1}
    assert {type(number) for d in made for number in d['bbox']} == {float}


def test_top_down_configs_test_with_it(found, topdown):
    cfg = Config.fromfile(topdown.config)
    dataset = dict(cfg.test_dataloader.dataset, type='CheckedCocoDataset', bbox_file=str(found[1]))
    with DefaultScope.overwrite_default_scope('mmpose'):
        samples = DATASETS.build(dataset)
    assert len(samples) == len(found[0].results)


def test_threshold_and_number(found, detector, pictures):
    scores = sorted(result['score'] for result in found[0].results)
    thr = scores[len(scores) // 2]
    arguments = (detector.config, detector.checkpoint, pictures.ann, pictures.images)
    best = detect(*arguments, score_thr=thr, max_per_image=1, device='cpu').results
    assert all(result['score'] > thr for result in best)
    images = [result['image_id'] for result in best]
    assert len(images) == len(set(images)) > 0


def test_another_category(found, detector, pictures):
    arguments = (detector.config, detector.checkpoint, pictures.ann, pictures.images)
    dogs = detect(*arguments, category='dog', device='cpu').results
    assert {dog['category_id'] for dog in dogs} == {1}  # what top-down testing reads
    assert dogs != found[0].results


def test_an_unknown_category_is_refused(detector):
    with pytest.raises(ValueError, match="category is 'cat', but the detector has person, dog"):
        PersonDetector(detector.config, detector.checkpoint, 'cat', 'cpu')


def test_classes_of_the_config_where_the_checkpoint_has_none(detector, tmp_path):
    import torch

    checkpoint = torch.load(detector.checkpoint, weights_only=True)
    del checkpoint['meta']
    torch.save(checkpoint, tmp_path / 'bare.pth')
    model = PersonDetector(detector.config, tmp_path / 'bare.pth', device='cpu').model
    assert tuple(model.dataset_meta['classes']) == ('person', 'dog')


def test_bad_images_are_told_and_the_rest_is_done(detector, pictures, tmp_path):
    for path in pictures.paths:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / '2.png').write_bytes(b'no picture')
    (tmp_path / '3.png').unlink()
    made = detect(detector.config, detector.checkpoint, pictures.ann, tmp_path, device='cpu')
    assert {result['image_id'] for result in made.results} == {101}
    assert {failure.path for failure in made.failures} == {
        str(tmp_path / name) for name in ('2.png', '3.png')
    }


def test_a_checkpoint_of_another_model_is_refused(detector, topdown, pictures):
    with pytest.raises(CheckpointMismatchError, match='does not belong'):
        detect(detector.config, topdown.checkpoint, pictures.ann, pictures.images, device='cpu')


@pytest.mark.parametrize('content', ['{}', '[]', '{"images": [{"id": 1}]}', ''])
def test_an_annotation_file_without_images_is_refused(content, detector, tmp_path):
    (tmp_path / 'ann.json').write_text(content)
    with pytest.raises(ValueError, match='ann.json'):
        detect(detector.config, detector.checkpoint, tmp_path / 'ann.json', tmp_path)


def test_empty_boxes_are_left_out():
    boxes = [[1, 2, 4, 6, 0.5], [3, 3, 3, 9, 0.4]]
    assert detection_results(7, boxes) == [
        dict(bbox=[1, 2, 3, 4], category_id=1, image_id=7, score=0.5)
    ]


def test_mmdet_imports_without_imgaug_and_says_what_needs_it():
    import sys

    pytest.importorskip('mmdet')
    reason = 'only the onedl mmdet has a module that needs imgaug'
    generate_line = pytest.importorskip('mmdet.datasets.transforms.generate_line', reason=reason)
    if not any(name.split('.')[0] == 'imgaug' for name in sys.modules):
        with pytest.raises(ImportError, match='needs imgaug'):
            generate_line.LineString([])


def test_batches_give_each_image_its_boxes_best_first(detector, pictures):
    person_detector = PersonDetector(detector.config, detector.checkpoint, device='cpu')
    images = [cv2.imread(str(path)) for path in pictures.paths]
    for image, boxes in zip_equal(images, person_detector.boxes(images)):
        assert boxes.dtype == np.float32 and (np.diff(boxes[:, 4]) <= 0).all()
        np.testing.assert_allclose(boxes[0], person_detector.boxes([image])[0][0], atol=0.05)
