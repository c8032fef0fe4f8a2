# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest

from mmpose_ext.apps.look.matched_people import match_people

SIGMAS = np.array([0.05, 0.1, 0.1])
PLACES = np.array([[10.0, 10.0], [30.0, 10.0], [20.0, 40.0]])


def person(number, shift=0.0, image_id=1, visible=(2, 2, 2), **more):
    points = np.column_stack([PLACES + shift, visible])
    return dict(
        dict(
            id=number, image_id=image_id, category_id=1, keypoints=points.ravel().tolist(),
            bbox=[10 + shift, 10 + shift, 20, 30], area=600.0, iscrowd=0,
            num_keypoints=int(np.sum(np.array(visible) > 0)),
        ),
        **more,
    )  # fmt: skip


def result(shift, score, image_id=1):
    points = np.column_stack([PLACES + shift, np.full(3, 0.9)])
    return dict(image_id=image_id, category_id=1, keypoints=points.ravel().tolist(), score=score)


def truth_of(*people):
    images = [dict(id=i, file_name=f'{i}.jpg') for i in (1, 2)]
    return dict(images=images, annotations=list(people), categories=[dict(id=1, name='person')])


def oks_by_hand(shift, visible):
    """Compute OKS by COCO's formula, keypoint by keypoint."""
    values = []
    for k in range(3):
        if visible[k]:
            squared = 2 * shift**2
            values.append(np.exp(-squared / (2 * 600.0 * (2 * SIGMAS[k]) ** 2)))
    return np.mean(values)


@pytest.mark.parametrize('visible', [(2, 2, 2), (0, 1, 2)])
@pytest.mark.parametrize('shift', [0.0, 2.0, 4.0])
def test_oks_is_cocos(shift, visible):
    (case,) = match_people(truth_of(person(7, visible=visible)), [result(shift, 0.9)], SIGMAS)
    assert (case.kind, case.truth['id'], case.score) == ('found', 7, 0.9)
    assert case.oks == pytest.approx(oks_by_hand(shift, visible), abs=1e-6)


def test_kinds():
    truth = truth_of(person(1), person(2, shift=100), person(3, image_id=2))
    results = [result(1, 0.5), result(0, 0.9), result(300, 0.8)]
    cases = match_people(truth, results, SIGMAS)
    kinds = {(c.kind, c.image_id, c.score) for c in cases}
    assert kinds == {
        ('found', 1, 0.9),  # the better score takes the person
        ('false positive', 1, 0.5),  # the second on the same person
        ('false positive', 1, 0.8),
        ('missed', 1, None),
        ('missed', 2, None),
    }


@pytest.mark.parametrize(
    'ignored', [dict(iscrowd=1), dict(num_keypoints=0, keypoints=[0.0] * 9)], ids=['crowd', 'none']
)
def test_crowds_and_people_without_keypoints_do_not_count(ignored):
    truth = truth_of(person(1), person(2, shift=100, **ignored))
    cases = match_people(truth, [result(0, 0.9), result(100, 0.8)], SIGMAS)
    assert [case.kind for case in cases] == ['found']


def test_match_thr_parts_a_bad_match_from_a_miss():
    truth = truth_of(person(1))
    assert len(match_people(truth, [result(5, 0.9)], SIGMAS, match_thr=0.1)) == 1
    kinds = [c.kind for c in match_people(truth, [result(5, 0.9)], SIGMAS, match_thr=0.9)]
    assert sorted(kinds) == ['false positive', 'missed']


def test_no_results_miss_everybody():
    assert [c.kind for c in match_people(truth_of(person(1)), [], SIGMAS)] == ['missed']


def test_fields_that_coco_lets_out_are_not_needed():
    annotation = person(1)
    del annotation['iscrowd'], annotation['num_keypoints']
    (case,) = match_people(truth_of(annotation), [result(0, 0.9)], SIGMAS)
    assert case.oks == 1 and 'iscrowd' not in annotation


@pytest.mark.parametrize(
    'results, message',
    [
        ([result(0, 1.0, image_id=5)], 'image 5'),
        ([dict(image_id=1, keypoints=[0] * 6, score=1.0)], 'has 6 numbers for keypoints'),
        ([dict(image_id=1, bbox=[0, 0, 1, 1], score=1.0)], 'not a keypoint result'),
        (dict(), 'list'),
    ],
)
def test_wrong_results_are_refused(results, message):
    with pytest.raises(ValueError, match=message):
        match_people(truth_of(person(1)), results, SIGMAS)
