# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The synthetic keypoint set: same bytes from a seed, COCO's form, true visibility, hard enough."""

import argparse
import ast
import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpose_ext.cli import synthetic as command
from mmpose_ext.datasets import synthetic
from mmpose_ext.datasets.synthetic import generate, writer
from mmpose_ext.datasets.synthetic.background import draw_object
from mmpose_ext.datasets.synthetic.canvas import Canvas
from mmpose_ext.datasets.synthetic.clothing import sample_look
from mmpose_ext.datasets.synthetic.detections import box_iou, detect
from mmpose_ext.datasets.synthetic.painter import draw_person
from mmpose_ext.datasets.synthetic.person import TRUNK, Person
from mmpose_ext.datasets.synthetic.poses import (
    ARM_LIMITS,
    LEG_LIMITS,
    sample_pose,
    sample_proportions,
)
from mmpose_ext.datasets.synthetic.scene import annotate, make_scene, outlines
from mmpose_ext.datasets.synthetic.skeleton import KEYPOINT_NAMES, Pose, Proportions, pose_body

INDEX = {name: i for i, name in enumerate(KEYPOINT_NAMES)}
SMALL = dict(splits={'train': 5, 'val': 3}, image_size=(160, 120), progress=False)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob('*'))
        if file.is_file()
    }


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    """70 training and 60 validation images of the default kind (about 150 people each)."""
    out = tmp_path_factory.mktemp('synthetic') / 'set'
    return generate(out, {'train': 70, 'val': 60}, seed=0, progress=False)


@pytest.fixture(scope='module')
def val(dataset) -> COCO:
    return COCO(str(dataset / 'annotations/person_keypoints_val.json'))


# Same seed, same bytes.


def test_same_bytes_with_one_and_two_workers(tmp_path):
    first = digests(generate(tmp_path / 'a', workers=1, seed=3, **SMALL))
    second = digests(generate(tmp_path / 'b', workers=2, seed=3, **SMALL))
    assert first == second
    assert len(first) == 5 + 3 + 4 + 1


def test_other_seed_gives_other_images(tmp_path):
    first = digests(generate(tmp_path / 'a', workers=1, seed=3, **SMALL))
    second = digests(generate(tmp_path / 'b', workers=1, seed=4, **SMALL))
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)  # no image twice, in no split


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path):
    few = generate(tmp_path / 'few', {'val': 2}, progress=False, workers=1)
    more = generate(tmp_path / 'more', {'train': 1, 'val': 4}, progress=False, workers=1)
    for index in range(2):
        name = writer.image_name('val', index)
        assert (few / 'val' / name).read_bytes() == (more / 'val' / name).read_bytes()
    for kind in ('keypoints', 'detections'):
        first, second = (
            json.loads((folder / f'annotations/person_{kind}_val.json').read_text())
            for folder in (few, more)
        )
        if kind == 'keypoints':
            first, second = first['annotations'], second['annotations']
        ids = {writer.image_id('val', index) for index in range(2)}
        assert first == [entry for entry in second if entry['image_id'] in ids]


# COCO's form.


@pytest.mark.parametrize('package', ['pycocotools', 'xtcocotools'])
def test_loads_as_coco(dataset, package):
    module = pytest.importorskip(f'{package}.coco')
    coco = module.COCO(str(dataset / 'annotations/person_keypoints_train.json'))
    assert len(coco.getImgIds()) == 70
    category = coco.loadCats(coco.getCatIds())[0]
    assert category['name'] == 'person' and category['keypoints'] == list(KEYPOINT_NAMES)
    assert len(category['skeleton']) == 19
    for image in coco.loadImgs(coco.getImgIds()):
        picture = cv2.imread(str(dataset / 'train' / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3) == (240, 320, 3)
        assert 1 <= len(coco.getAnnIds(imgIds=image['id'])) <= 4


def test_annotations_agree_with_each_other(val):
    relative = []
    for person in val.anns.values():
        keypoints = np.reshape(person['keypoints'], (17, 3))
        x, y, w, h = person['bbox']
        assert set(keypoints[:, 2]) <= {0, 1, 2} and person['iscrowd'] == 0
        assert person['num_keypoints'] == (keypoints[:, 2] > 0).sum()
        assert not keypoints[keypoints[:, 2] == 0].any()
        labelled = keypoints[keypoints[:, 2] > 0, :2]
        assert (labelled >= -0.5).all() and (labelled <= (319.5, 239.5)).all()
        seen = keypoints[keypoints[:, 2] == 2, :2]
        assert len(seen) >= 5
        # A pixel reaches half a pixel around its centre, the box around whole pixels.
        assert (seen + 0.5 >= (x, y)).all() and (seen + 0.5 <= (x + w, y + h)).all()
        assert 0 <= x and 0 <= y and x + w <= 320 and y + h <= 240
        assert 0 < person['area'] < w * h
        area = int(val.annToMask(person).sum())
        relative.append(abs(area - person['area']) / person['area'])
    # largest for the slivers that are left of hidden people
    assert np.mean(relative) < 0.02 and np.percentile(relative, 99) < 0.15
    assert np.max(relative) < 0.3


def test_people_vary_in_size(val):
    heights = [person['bbox'][3] for person in val.anns.values()]
    low, high = np.percentile(heights, (10, 90))
    assert 70 < low < 140 and 180 < high <= 240


def test_visibility_occurs_in_all_three_kinds(val):
    kinds = np.reshape([p['keypoints'] for p in val.anns.values()], (-1, 3))[:, 2]
    shares = np.bincount(kinds.astype(int), minlength=3) / len(kinds)
    assert 0.04 < shares[0] < 0.25 and 0.06 < shares[1] < 0.3 and shares[2] > 0.6


def test_area_and_box_are_those_of_the_mask():
    scene = make_scene([0, 0, 7], (320, 240), (4, 4))
    assert len(scene.annotations) == 4
    total = np.zeros((240, 320), int)
    for person in scene.annotations:
        total += person.mask
        rows, columns = np.nonzero(person.mask)
        assert person.area == len(rows)
        assert person.bbox.tolist() == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
    assert total.max() == 1  # no pixel belongs to two people


def test_outlines_of_a_rectangle_and_a_speck():
    mask = np.zeros((40, 50), bool)
    mask[10:30, 5:25] = True
    mask[2, 40] = True
    polygons = outlines(mask, np.array([5, 2, 36, 28]))
    assert len(polygons) == 1
    shape = np.reshape(polygons[0], (-1, 2))
    assert np.abs(shape.min(axis=0) - (5, 10)).max() <= 0.25
    assert np.abs(shape.max(axis=0) - (25, 30)).max() <= 0.25


# Visibility.


def place(pose: Pose, number: int = 1, centre=(100, 110)) -> Person:
    look = sample_look(np.random.default_rng(1))
    look.bottom, look.backpack, look.hair_style = 'trousers', False, 'short'
    body = Proportions()
    return Person(body, pose_body(body, pose), look, 180.0, np.array(centre, float), number)


def drawn(*people: Person) -> Canvas:
    canvas = Canvas(np.full((220, 220, 3), 128, np.float32))
    for person in people:
        draw_person(canvas, person)
    return canvas


def visibility(person: Person, canvas: Canvas) -> dict[str, int]:
    values = annotate(person, canvas.labels).keypoints[:, 2].astype(int)
    return dict(zip(KEYPOINT_NAMES, values.tolist(), strict=True))


def test_front_view_shows_all_and_left_is_on_the_right():
    person = place(Pose())
    assert set(visibility(person, drawn(person)).values()) == {2}
    for name in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        left, right = (person.keypoints[INDEX[f'{side}_{name}']] for side in ('left', 'right'))
        assert left[0] > right[0] and left[1] == pytest.approx(right[1])


def test_back_view_has_no_face_and_left_is_on_the_left():
    person = place(Pose(yaw=180))
    seen = visibility(person, drawn(person))
    assert all(seen[name] == 0 for name in ('nose', 'left_eye', 'right_eye'))
    assert all(
        seen[f'{side}_{name}'] == 2
        for side in ('left', 'right')
        for name in ('shoulder', 'elbow', 'hip', 'knee', 'ankle')
    )
    left, right = (person.keypoints[INDEX[f'{side}_shoulder']] for side in ('left', 'right'))
    assert left[0] < right[0]


@pytest.mark.parametrize('yaw, near, far', [(90, 'right', 'left'), (-90, 'left', 'right')])
def test_profile_hides_the_far_side(yaw, near, far):
    person = place(Pose(yaw=yaw))
    seen = visibility(person, drawn(person))
    assert seen[f'{far}_eye'] == seen[f'{far}_ear'] == 0
    assert seen[f'{far}_shoulder'] == seen[f'{far}_hip'] == 1
    assert all(seen[f'{near}_{name}'] == 2 for name in ('eye', 'ear', 'shoulder', 'hip', 'knee'))
    assert seen['nose'] == 2
    nose, ear = person.keypoints[INDEX['nose']], person.keypoints[INDEX[f'{near}_ear']]
    assert np.sign(nose[0] - ear[0]) == np.sign(yaw)  # looks to where it is turned


@pytest.mark.parametrize(
    'yaw, expected',
    [
        (30, 2),  # turned a little: the shoulder is at the trunk's rim
        (60, 1),  # turned far: it lies behind the trunk
    ],
)
def test_the_trunk_hides_the_far_shoulder_of_a_turned_body(yaw, expected):
    for sign, far in ((1, 'left'), (-1, 'right')):
        person = place(Pose(yaw=sign * yaw))
        canvas = drawn(person)
        assert visibility(person, canvas)[f'{far}_shoulder'] == expected
        if expected == 1:
            x, y = np.round(person.keypoints[INDEX[f'{far}_shoulder']]).astype(int)
            assert canvas.labels[y, x] == person.label(TRUNK)


def test_other_people_and_objects_hide_keypoints():
    behind, before = place(Pose()), place(Pose(), number=2, centre=(112, 112))
    canvas = drawn(behind, before)
    alone, hidden = visibility(behind, drawn(behind)), visibility(behind, canvas)
    assert set(visibility(before, canvas).values()) == {2}
    assert alone != hidden and set(hidden.values()) == {1, 2}
    # The plain rule: hidden exactly where the other one's pixels are.
    columns, rows = np.round(behind.keypoints).astype(int).T
    other = annotate(before, canvas.labels).mask[rows, columns]
    assert (other == (np.array(list(hidden.values())) == 1)).all()

    ankle = behind.keypoints[INDEX['left_ankle']]
    corners = ankle + np.array([(-5, -5), (5, -5), (5, 5), (-5, 5)])
    draw_object(canvas := drawn(behind), ('box', corners, 1.0, np.zeros(3, np.float32)))
    covered = visibility(behind, canvas)
    assert covered.pop('left_ankle') == 1 and set(covered.values()) == {2}


def test_keypoints_outside_the_image_are_not_labelled():
    person = place(Pose(), centre=(100, 200))  # the legs are below the image
    seen = visibility(person, drawn(person))
    assert all(
        seen[f'{side}_{name}'] == 0 for side in ('left', 'right') for name in ('knee', 'ankle')
    )
    assert seen['nose'] == 2


# The body.


def test_bones_keep_their_length_and_joints_their_limits():
    rng = np.random.default_rng(0)
    for _ in range(50):
        body, pose = sample_proportions(rng), sample_pose(rng)
        k = pose_body(body, pose).keypoints
        for first, second, length in (
            ('hip', 'knee', body.thigh),
            ('knee', 'ankle', body.shank),
            ('shoulder', 'elbow', body.upper_arm),
            ('elbow', 'wrist', body.forearm),
        ):
            for side in ('left', 'right'):
                bone = k[INDEX[f'{side}_{first}']] - k[INDEX[f'{side}_{second}']]
                assert np.linalg.norm(bone) == pytest.approx(length)
        assert np.linalg.norm(k[INDEX['left_hip']] - k[INDEX['right_hip']]) == pytest.approx(
            2 * body.hip
        )
        for limb, limits in (
            (pose.left_arm, ARM_LIMITS),
            (pose.right_arm, ARM_LIMITS),
            (pose.left_leg, LEG_LIMITS),
            (pose.right_leg, LEG_LIMITS),
        ):
            angles = np.array(list(vars(limb).values()))
            assert (angles >= limits[:, 0]).all() and (angles <= limits[:, 1]).all()


def test_capsule_equals_a_loop_over_pixels():
    canvas = Canvas(np.zeros((20, 24, 3), np.float32))
    start, end, radii = np.array([5.3, 4.1]), np.array([16.2, 13.7]), (4.0, 2.0)
    canvas.capsule(start, end, radii, np.full(3, 100, np.float32), 7, shading=0)
    for y in range(20):
        for x in range(24):
            axis = end - start
            along = min(max((np.array([x, y]) - start) @ axis / (axis @ axis), 0), 1)
            distance = np.hypot(*(np.array([x, y]) - start - along * axis))
            alpha = min(max(radii[0] + along * (radii[1] - radii[0]) - distance + 0.5, 0), 1)
            assert canvas.image[y, x, 0] == pytest.approx(100 * alpha, abs=1e-2)
            if abs(alpha - 0.5) > 1e-3:
                assert canvas.labels[y, x] == (7 if alpha > 0.5 else 0)


# Difficulty.


def people_of(coco: COCO) -> tuple[list[dict], np.ndarray, np.ndarray]:
    people = list(coco.anns.values())
    return (
        people,
        np.reshape([p['keypoints'] for p in people], (-1, 17, 3)).astype(float),
        np.array([p['bbox'] for p in people], float),
    )


def keypoint_ap(coco: COCO, people: list[dict], points: np.ndarray) -> float:
    """COCO's AP of points (N, 17, 2) with score 1, one set a person."""
    ones = np.ones((17, 1))
    results = [
        {
            'image_id': p['image_id'],
            'category_id': 1,
            'score': 1.0,
            'keypoints': np.hstack((k, ones)).ravel().tolist(),
        }
        for p, k in zip(people, points, strict=True)
    ]
    evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def test_the_mean_pose_scores_below_a_tenth(dataset, val):
    _, keypoints, boxes = people_of(COCO(str(dataset / 'annotations/person_keypoints_train.json')))
    labelled = keypoints[..., 2:] > 0
    normalised = (keypoints[..., :2] - boxes[:, None, :2]) / boxes[:, None, 2:]
    mean = (normalised * labelled).sum(axis=0) / labelled.sum(axis=0)
    people, truth, boxes = people_of(val)
    assert len(people) >= 120
    assert keypoint_ap(val, people, boxes[:, None, :2] + mean * boxes[:, None, 2:]) < 0.1
    assert keypoint_ap(val, people, truth[..., :2]) > 0.99  # the same measure, of the truth


# Detections.


def test_detection_file(dataset, val):
    detections = json.loads((dataset / 'annotations/person_detections_val.json').read_text())
    assert detections
    for entry in detections:
        assert set(entry) == {'image_id', 'category_id', 'bbox', 'score'}
        assert entry['image_id'] in val.imgs and entry['category_id'] == 1
        x, y, w, h = entry['bbox']
        assert 0 <= x and 0 <= y and x + w <= 320.01 and y + h <= 240.01 and min(w, h) >= 2
        assert 0 < entry['score'] < 1
    evaluation = COCOeval(val, val.loadRes(detections), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0.6 < evaluation.stats[0] < 0.95 and evaluation.stats[1] > 0.85


def test_detections_jitter_miss_and_err():
    rng = np.random.default_rng(0)
    boxes, shown = np.array([(40, 40, 60, 150), (200, 60, 50, 120)], float), np.array([1.0, 0.4])
    overlaps, scores, found = [], [], np.zeros(2)
    for _ in range(600):
        results = detect(rng, boxes, shown, (320, 240))
        assert [s for _, s in results] == sorted((s for _, s in results), reverse=True)
        if not results:
            continue
        iou = box_iou(np.array([box for box, _ in results]), boxes)
        overlaps += iou.max(axis=1).tolist()
        scores += [score for _, score in results]
        found += (iou > 0.5).any(axis=0)
    overlaps, scores = np.array(overlaps), np.array(scores)
    missed = 1 - found / 600
    assert missed[0] < 0.04 and 0.05 < missed[1] < 0.25  # hidden people are missed more often
    assert 0.8 < np.median(overlaps) < 0.95
    assert 0.2 < (overlaps < 0.2).sum() / 600 < 0.5  # false alarms an image
    assert np.corrcoef(overlaps, scores)[0, 1] > 0.6
    assert scores[overlaps < 0.2].mean() < 0.3 < 0.7 < scores[overlaps > 0.85].mean()


def test_box_iou_equals_a_loop():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(1, 20, (5, 4)), rng.uniform(1, 20, (6, 4))
    for i, (x, y, w, h) in enumerate(first):
        for j, (a, b, c, d) in enumerate(second):
            overlap = max(0, min(x + w, a + c) - max(x, a)) * max(0, min(y + h, b + d) - max(y, b))
            expected = overlap / (w * h + c * d - overlap)
            assert box_iou(first, second)[i, j] == pytest.approx(expected)


# Crowds.


def test_thirty_people_in_each_image(tmp_path):
    out = generate(tmp_path / 'crowd', {'val': 3}, people=(30, 30), progress=False, workers=1)
    coco = COCO(str(out / 'annotations/person_keypoints_val.json'))
    for number in coco.getImgIds():
        people = coco.loadAnns(coco.getAnnIds(imgIds=number))
        assert len(people) == 30
        seen = (np.reshape([p['keypoints'] for p in people], (30, 17, 3))[..., 2] == 2).sum(axis=1)
        assert seen.min() >= 4 and seen.mean() >= 10


# Settings, folders, interruption.


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(people=(0, 3)), r'people is \(0, 3\)'),  # none
        (dict(people=(4, 2)), r'people is \(4, 2\)'),  # the wrong way round
        (dict(people=(1, 61)), 'people is'),  # too many
        (dict(people=(1, 60), image_size=(64, 64)), 'too small for 60 people'),
        (dict(image_size=(32, 240)), r'image_size is \(32, 240\)'),
        (dict(image_size=(320, 9000)), 'image_size is'),
        (dict(splits={'train': -1}), r"splits\['train'\] is -1"),
        (dict(splits={'dev': 5}), "splits has 'dev'"),
        (dict(splits={'train': 0}), 'no image at all'),
        (dict(seed=-1), 'seed is -1'),
        (dict(quality=0), 'quality is 0'),
        (dict(workers=0), 'workers is 0'),
    ],
)
def test_bad_settings(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / 'out', progress=False, **settings)
    assert not (tmp_path / 'out').exists()


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='did not write.*--overwrite'):
        generate(tmp_path, **SMALL)
    assert [file.name for file in tmp_path.iterdir()] == ['notes.txt']
    generate(tmp_path, overwrite=True, workers=1, **SMALL)
    assert (tmp_path / 'notes.txt').read_text() == 'mine'
    with pytest.raises(FileExistsError, match='is a file'):
        generate(tmp_path / 'notes.txt', **SMALL)


def test_a_set_with_other_settings_is_replaced_only_on_request(tmp_path):
    generate(tmp_path / 'out', workers=1, seed=1, **SMALL)
    before = digests(tmp_path / 'out')
    with pytest.raises(FileExistsError, match='other settings.*seed'):
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
    (out / 'train' / f'{writer.image_name("train", 4)}.tmp').write_bytes(b'half an im')
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


def test_drawing_needs_no_deep_learning_package():
    allowed = {'numpy', 'cv2', 'tqdm'} | sys.stdlib_module_names
    for file in Path(synthetic.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            assert {name.split('.')[0] for name in names} <= allowed, file.name
