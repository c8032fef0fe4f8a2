# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Prediction from files to results, pictures and videos."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from media_files import FakeCapture, write_video
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmpose_ext.apps.predict import BoxSource, Drawing, PoseInferencer, predict
from mmpose_ext.apps.shared.batches import chunks, write_results
from mmpose_ext.engine import CheckpointMismatchError, UnsafeCheckpointError
from mmpose_ext.utils.sequences import zip_equal

WHOLE = dict(boxes=BoxSource(whole_image=True), device='cpu')


def by_image(results: list[dict]) -> dict:
    groups: dict = {}
    for result in results:
        groups.setdefault(result['image_id'], []).append(result)
    return groups


def assert_same_results(found: list[dict], expected: list[dict], atol: float = 2e-3) -> None:
    found, expected = by_image(found), by_image(expected)
    assert found.keys() == expected.keys()
    for image_id, people in expected.items():
        assert len(found[image_id]) == len(people)
        for one, other in zip_equal(found[image_id], people):
            assert one.keys() == other.keys()
            assert one['score'] == pytest.approx(other['score'], abs=1e-4)
            np.testing.assert_allclose(one['keypoints'], other['keypoints'], atol=atol)
            if 'bbox' in one:
                np.testing.assert_allclose(one['bbox'], other['bbox'], atol=1e-3)


def run_test(model, folder) -> list[dict]:
    """Return the results that testing writes, as ``mim test`` does."""
    cfg = Config.fromfile(model.config)
    cfg.pop('train_dataloader')
    cfg.work_dir = str(folder)
    cfg.load_from = str(model.checkpoint)
    cfg.experiment_name = folder.name
    cfg.test_evaluator.outfile_prefix = str(folder / 'test')
    with DefaultScope.overwrite_default_scope('mmpose'):
        Runner.from_cfg(cfg).test()
    return json.loads((folder / 'test.keypoints.json').read_text())


@pytest.mark.parametrize('batch_size', [1, 4])
def test_top_down_with_a_detection_file_is_what_testing_gives(
    batch_size, topdown, pictures, tmp_path
):
    found = predict(
        topdown.config,
        topdown.checkpoint,
        pictures.images,
        boxes=BoxSource(detections=pictures.detections),
        ann_file=pictures.ann,
        out_dir=tmp_path,
        batch_size=batch_size,
        device='cpu',
    )
    assert not found.failures and found.num_frames == 3
    assert_same_results(found.results, run_test(topdown, tmp_path))
    assert json.loads((tmp_path / 'results.json').read_text()) == found.results
    for path in pictures.paths:
        drawn = cv2.imread(str(tmp_path / 'pictures' / path.name))
        assert drawn.shape == cv2.imread(str(path)).shape


@pytest.mark.parametrize('batch_size', [1, 3])  # 3: images of two sizes in one batch
def test_bottom_up_is_what_testing_gives(batch_size, bottomup, pictures, tmp_path):
    found = predict(
        bottomup.config,
        bottomup.checkpoint,
        pictures.images,
        ann_file=pictures.ann,
        batch_size=batch_size,
        device='cpu',
    )
    expected = run_test(bottomup, tmp_path)
    assert len(expected) > 3
    assert_same_results(found.results, expected, atol=0.02)


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize('kind', ['topdown', 'bottomup'])
def test_flip_test_is_the_configs(kind, flip, request, pictures, monkeypatch):
    model = request.getfixturevalue(kind)
    options = {'model.test_cfg.flip_test': flip}
    inferencer = PoseInferencer(model.config, model.checkpoint, 'cpu', options)
    seen, image = [], cv2.imread(str(pictures.paths[0]))

    def features(inputs):
        seen.append(inputs)
        if len(seen) == 1 + flip:
            raise InterruptedError
        return inputs

    monkeypatch.setattr(inferencer.model, 'extract_feat', features)
    with pytest.raises(InterruptedError):
        inferencer.predict([image], [[[0, 0, 40, 40, 1]]] if kind == 'topdown' else None)
    assert len(seen) == 1 + flip
    if flip:
        torch.testing.assert_close(seen[1], seen[0].flip(-1))


def test_a_detector_is_as_its_detection_file(topdown, detector, pictures, tmp_path):
    from mmpose_ext.apps.detect import detect

    made = detect(
        detector.config,
        detector.checkpoint,
        pictures.ann,
        pictures.images,
        tmp_path / 'boxes.json',
        batch_size=1,
        device='cpu',
    )
    scores = sorted(result['score'] for result in made.results)
    thr = (scores[-10] + scores[-9]) / 2  # some boxes on both sides, none on it
    assert scores[-9] - scores[-10] > 1e-4
    common = dict(ann_file=pictures.ann, batch_size=1, device='cpu')
    arguments = (topdown.config, topdown.checkpoint, pictures.images)
    model = dict(det_config=detector.config, det_checkpoint=detector.checkpoint)
    file = dict(detections=tmp_path / 'boxes.json')
    online, from_file = (
        predict(*arguments, boxes=BoxSource(**source, box_thr=thr, box_nms=0.5), **common).results
        for source in (model, file)
    )
    assert 0 < len(online) < len(scores)
    assert_same_results(online, from_file, atol=0.02)


def test_whole_images_are_boxes_as_large_as_they(topdown, pictures):
    found = predict(topdown.config, topdown.checkpoint, pictures.images, **WHOLE)
    boxes = {result['image_id']: result['bbox'] for result in found.results}
    assert boxes == {'1.png': [0, 0, 96, 64], '2.png': [0, 0, 64, 80], '3.png': [0, 0, 96, 64]}
    assert len(found.results[0]['keypoints']) == 51


def test_bad_inputs_are_told_and_the_rest_is_done(topdown, pictures, tmp_path):
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    inputs = [tmp_path / 'bad.png', pictures.paths[0], 'missing.jpg', pictures.paths[1]]
    found = predict(
        topdown.config, topdown.checkpoint, inputs, out_dir=tmp_path / 'out', batch_size=2, **WHOLE
    )
    assert sorted(by_image(found.results)) == ['1.png', '2.png']
    assert {failure.path for failure in found.failures} == {str(inputs[0]), 'missing.jpg'}
    assert len(json.loads((tmp_path / 'out' / 'results.json').read_text())) == 2


def test_images_without_an_id_are_told(topdown, pictures, tmp_path):
    other = tmp_path / 'other.png'
    other.write_bytes(pictures.paths[0].read_bytes())
    inputs = [other, pictures.paths[0]]
    found = predict(topdown.config, topdown.checkpoint, inputs, ann_file=pictures.ann, **WHOLE)
    assert [result['image_id'] for result in found.results] == [101]
    assert 'not among the images of the annotation file' in str(found.failures[0])


def test_video(topdown, tmp_path):
    clip = write_video(tmp_path / 'clip.avi', frames=5, size=(64, 48))
    found = predict(
        topdown.config, topdown.checkpoint, clip, out_dir=tmp_path / 'out', batch_size=2, **WHOLE
    )
    assert list(by_image(found.results)) == [f'clip.avi#{i}' for i in range(5)]
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'pictures' / 'clip.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    for _ in range(5):
        whole, frame = capture.read()
        assert whole and frame.shape == (48, 64, 3)
    assert not capture.read()[0]


def test_webcam_until_it_ends_or_a_number_of_frames(topdown, tmp_path, monkeypatch):
    monkeypatch.setattr('cv2.VideoCapture', FakeCapture)
    arguments = (topdown.config, topdown.checkpoint, '0')
    assert predict(*arguments, **WHOLE).num_frames == 3
    found = predict(*arguments, max_frames=2, out_dir=tmp_path, **WHOLE)
    assert list(by_image(found.results)) == ['webcam0#0', 'webcam0#1']
    assert (tmp_path / 'pictures' / 'webcam0.mp4').stat().st_size > 0


def test_escape_in_the_window_ends_it_and_keeps_what_is_found(topdown, tmp_path, monkeypatch):
    monkeypatch.setattr('cv2.VideoCapture', FakeCapture)
    shown = []
    monkeypatch.setattr('cv2.imshow', lambda name, picture: shown.append(picture), raising=False)
    monkeypatch.setattr('cv2.waitKey', lambda ms: 27 if len(shown) == 2 else -1, raising=False)
    found = predict(
        topdown.config,
        topdown.checkpoint,
        0,
        drawing=Drawing(show_window=True),
        out_dir=tmp_path,
        **WHOLE,
    )
    assert found.interrupted and found.num_frames == 2
    assert len(json.loads((tmp_path / 'results.json').read_text())) == len(found.results) == 2


def test_control_c_keeps_what_is_found(topdown, pictures, tmp_path, monkeypatch):
    original, calls = PoseInferencer.predict, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(PoseInferencer, 'predict', interrupted)
    found = predict(
        topdown.config, topdown.checkpoint, pictures.images, out_dir=tmp_path, batch_size=1, **WHOLE
    )
    assert found.interrupted
    assert [r['image_id'] for r in json.loads((tmp_path / 'results.json').read_text())] == ['1.png']


def test_a_picture_that_cannot_be_written_is_told(topdown, pictures, tmp_path):
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / '2.png').mkdir()  # in the way
    found = predict(topdown.config, topdown.checkpoint, pictures.images, out_dir=tmp_path, **WHOLE)
    assert len(by_image(found.results)) == 3
    assert [failure.path for failure in found.failures] == [str(tmp_path / 'pictures' / '2.png')]


def predict_with(model, pictures, **boxes):
    """Predict the pictures with a source of boxes."""
    source = BoxSource(**boxes)
    return predict(model.config, model.checkpoint, pictures.images, device='cpu', boxes=source)


@pytest.mark.parametrize(
    'kind, boxes, message',
    [
        ('topdown', dict(), 'is top-down, it needs boxes'),
        ('topdown', dict(det_config='x'), 'both det_config and det_checkpoint'),
        ('topdown', dict(whole_image=True, detections='x'), 'not several'),
        ('bottomup', dict(whole_image=True), 'is bottom-up, it takes whole images'),
    ],
)
def test_boxes_that_do_not_fit_are_refused(kind, boxes, message, request, pictures):
    model = request.getfixturevalue(kind)
    with pytest.raises(ValueError, match=message):
        predict_with(model, pictures, **boxes)


def test_an_unknown_category_of_the_detector(topdown, detector, pictures):
    """The detector calls the argument otherwise."""
    files = dict(det_config=detector.config, det_checkpoint=detector.checkpoint)
    with pytest.raises(ValueError, match="^det_category is 'cat', but the detector has person"):
        predict_with(topdown, pictures, **files, det_category='cat')


def test_a_config_of_another_package(topdown, pictures):
    files = dict(det_config=topdown.config, det_checkpoint=topdown.checkpoint)
    message = '^the model or the pipeline of config .* cannot be built: KeyError: TopdownPoseEst'
    with pytest.raises(ValueError, match=message):
        predict_with(topdown, pictures, **files)


def test_no_batches_are_refused(topdown, pictures):
    with pytest.raises(ValueError, match='batch_size'):
        predict(topdown.config, topdown.checkpoint, pictures.images, batch_size=0, **WHOLE)


def test_detections_with_ids_need_names(topdown, pictures):
    with pytest.raises(ValueError, match='by ann_file'):
        predict(
            topdown.config,
            topdown.checkpoint,
            pictures.images,
            boxes=BoxSource(detections=pictures.detections),
        )


def test_a_checkpoint_of_another_model_is_refused(topdown, bottomup, pictures):
    with pytest.raises(CheckpointMismatchError, match='does not belong to config .*config.py'):
        predict(topdown.config, bottomup.checkpoint, pictures.images, **WHOLE)


def test_a_checkpoint_with_code_is_refused(topdown, pictures, tmp_path):
    torch.save(dict(state_dict={}, trap=FakeCapture(0)), tmp_path / 'trap.pth')
    with pytest.raises(UnsafeCheckpointError, match='FakeCapture'):
        predict(topdown.config, tmp_path / 'trap.pth', pictures.images, **WHOLE)


def test_a_missing_config_is_no_name_to_download(topdown, pictures):
    with pytest.raises(FileNotFoundError, match='human does not exist'):
        predict('human', topdown.checkpoint, pictures.images, **WHOLE)


def test_samples_are_mmposes_own(topdown, pictures):
    """PoseInferencer gives the samples of the model's own test_step, image by image."""
    inferencer = PoseInferencer(topdown.config, topdown.checkpoint, 'cpu')
    images = [cv2.imread(str(path)) for path in pictures.paths]
    boxes = [
        np.array([[2, 3, 40, 50, 0.5], [0, 0, 30, 60, 0.4]]),
        np.zeros((0, 5)),
        [[1, 2, 9, 9, 1]],
    ]
    people = inferencer.predict(images, boxes, batch_size=2)
    assert [len(samples) for samples in people] == [2, 0, 1]  # no boxes, nobody
    for image, some, samples in zip_equal(images, boxes, people):
        for box, sample in zip_equal(np.asarray(some, np.float32), samples):
            info = dict(inferencer.model.dataset_meta, img=image, img_path=None)
            info.update(bbox=box[None, :4], bbox_score=box[4:])
            with torch.no_grad():
                data = pseudo_collate([inferencer.pipeline(info)])
                expected = inferencer.model.test_step(data)[0]
            np.testing.assert_allclose(
                sample.pred_instances.keypoints, expected.pred_instances.keypoints, atol=1e-3
            )
    with pytest.raises(ValueError, match='needs boxes'):
        inferencer.predict(images)


def test_results_file_is_json_with_a_line_each(tmp_path):
    for results in ([], [dict(a=1)], [dict(a=1), dict(b=[2.5])]):
        write_results(tmp_path / 'x' / 'r.json', results)
        assert json.loads((tmp_path / 'x' / 'r.json').read_text()) == results
    assert len((tmp_path / 'x' / 'r.json').read_text().splitlines()) == 4


def test_chunks():
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
