# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy
import json

import numpy as np
import pycocotools.mask as coco_mask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keypoint_file import NUM_KEYPOINTS, person, valid_content

from mmpose_ext.datasets.coco_checks import annotation_problems
from mmpose_ext.datasets.validation import KINDS, validate

NAN, INF = float('nan'), float('inf')


def kinds(report) -> dict:
    return {(finding.kind, finding.id) for finding in report.findings}


def test_valid_file(look, content):
    report = look(content)
    assert report.findings == [] and report.is_ok(strict=True)
    assert (report.format, report.depth) == ('coco', 'annotations')
    assert (report.images, report.annotations, report.people) == (3, 3, 3)


def annotation(key, value, kind, number=12):
    """Return a case in which one key of annotation 12 is changed."""
    return pytest.param('annotations', 1, key, value, kind, number, id=f'{key}={value!r}'[:50])


def image(key, value, kind, number=2):
    return pytest.param('images', 1, key, value, kind, number, id=f'image {key}={value!r}'[:50])


def keypoints(*first) -> list:
    return [*first, *person(0, 0)['keypoints'][len(first) :]]


@pytest.mark.parametrize(
    'items, position, key, value, kind, number',
    [
        # boxes
        annotation('bbox', [1, 2, 3], 'bbox-malformed'),
        annotation('bbox', None, 'bbox-malformed'),
        annotation('bbox', 'none', 'bbox-malformed'),
        annotation('bbox', {}, 'bbox-malformed'),
        annotation('bbox', [1, 2, 3, NAN], 'bbox-malformed'),
        annotation('bbox', [1, 2, 3, 10**400], 'bbox-malformed'),
        annotation('bbox', [1, 2, 3, '4'], 'bbox-malformed'),
        annotation('bbox', [1, 2, 3, True], 'bbox-malformed'),
        annotation('bbox', [10, 10, 0, 20], 'bbox-empty'),
        annotation('bbox', [10, 10, 20, -5], 'bbox-empty'),
        annotation('bbox', [100, 10, 20, 20], 'bbox-outside'),
        annotation('bbox', [10, -30, 20, 20], 'bbox-outside'),
        annotation('bbox', [-10, 10, 90, 20], 'bbox-partly-outside'),
        annotation('bbox', [10, 10, 90, 90], 'bbox-partly-outside'),
        # keypoints
        annotation('keypoints', [], 'keypoint-count'),
        annotation('keypoints', [1.0] * 14, 'keypoint-count'),
        annotation('keypoints', [1.0] * 18, 'keypoint-count'),
        annotation('keypoints', None, 'keypoint-count'),
        annotation('keypoints', 'none', 'keypoint-count'),
        annotation('keypoints', keypoints(NAN), 'keypoints-not-finite'),
        annotation('keypoints', keypoints(1, INF), 'keypoints-not-finite'),
        annotation('keypoints', keypoints(1, 1, None), 'keypoints-not-finite'),
        annotation('keypoints', keypoints(1e39), 'keypoints-not-finite'),  # not in float32
        annotation('keypoints', keypoints(10**400), 'keypoints-not-finite'),
        annotation('keypoints', keypoints('1'), 'keypoints-not-numbers'),
        annotation('keypoints', keypoints([1]), 'keypoints-not-numbers'),
        annotation('keypoints', keypoints(True), 'keypoints-not-numbers'),
        annotation('keypoints', keypoints(1, 1, 3), 'visibility'),
        annotation('keypoints', keypoints(1, 1, -1), 'visibility-negative'),
        annotation('keypoints', keypoints(1, 1, 0.5), 'visibility'),
        annotation('keypoints', keypoints(-1, 1, 2), 'keypoints-outside'),
        annotation('keypoints', keypoints(100, 1, 1), 'keypoints-outside'),
        annotation('keypoints', keypoints(1, 90, 1), 'keypoints-outside'),
        annotation('keypoints', keypoints(0, 0, 2), 'keypoints-at-origin'),
        annotation('num_keypoints', 0, 'num-keypoints'),
        annotation('num_keypoints', None, 'num-keypoints'),
        annotation('num_keypoints', '5', 'num-keypoints'),
        annotation('num_keypoints', NAN, 'num-keypoints'),
        annotation('num_keypoints', 4, 'num-keypoints-differs'),
        # ids
        annotation('id', 11, 'id-repeated', 11),
        annotation('id', 11.0, 'id-repeated', 11),
        annotation('id', 'a', 'id-malformed', '#1'),
        annotation('id', 2**63, 'id-malformed', '#1'),
        annotation('id', [1], 'id-malformed', '#1'),
        annotation('id', NAN, 'id-malformed', '#1'),
        annotation('image_id', 9, 'image-unknown'),
        annotation('image_id', '1', 'image-unknown'),
        annotation('image_id', {}, 'image-unknown'),
        annotation('category_id', 2, 'category-unknown'),
        annotation('category_id', [1], 'category-unknown'),
        # the rest
        annotation('area', 'big', 'area-malformed'),
        annotation('area', NAN, 'area-malformed'),
        annotation('area', 0, 'area-empty'),
        annotation('iscrowd', 2, 'iscrowd'),
        annotation('iscrowd', 'no', 'iscrowd'),
        annotation('segmentation', 'none', 'segmentation'),
        annotation('segmentation', [1.0, 2.0, 3.0], 'segmentation'),
        annotation('segmentation', [[1.0, 2.0, 3.0, 4.0]], 'segmentation'),
        annotation('segmentation', [[1.0] * 7], 'segmentation'),
        annotation('segmentation', [[1.0] * 5 + [NAN]], 'segmentation'),
        annotation('segmentation', [[1.0] * 5 + ['1']], 'segmentation'),
        annotation('segmentation', {}, 'segmentation'),
        annotation('segmentation', dict(size=[2, 2], counts=[1, 2]), 'segmentation'),
        annotation('segmentation', dict(size=[2, 2], counts=[5, -1]), 'segmentation'),
        annotation('segmentation', dict(size=[2], counts='04'), 'segmentation'),
        annotation('segmentation', dict(size=[90, 100], counts='04'), 'segmentation'),
        annotation('segmentation', dict(size=[90, 100], counts='0~'), 'segmentation'),
        annotation('segmentation', dict(size=[2, 3], counts=[1, 2, 3]), 'segmentation'),
        annotation('segmentation', dict(size=[2, 2], counts=''), 'segmentation'),
        annotation('segmentation', [], 'segmentation-empty'),
        # images
        image('id', 1, 'id-repeated', 1),
        image('id', None, 'id-malformed', '#1'),
        image('file_name', '', 'file-name'),
        image('file_name', 3, 'file-name'),
        image('file_name', 'a\0b', 'file-name'),
        image('file_name', 'folder/', 'file-name'),
        image('file_name', './1.png', 'file-repeated'),
        image('width', 0, 'size-malformed'),
        image('width', '100', 'size-malformed'),
        image('height', None, 'size-malformed'),
        image('height', -90, 'size-malformed'),
    ],
)
def test_changed_value(look, content, items, position, key, value, kind, number):
    content[items][position][key] = value
    report = look(content)
    assert (kind, number) in kinds(report)
    assert report.is_ok() == (KINDS[kind].severity == 'warning')
    assert not report.is_ok(strict=True)
    text = '\n'.join(report.by_annotation())
    assert kind in text and str(number) in text


@pytest.mark.parametrize(
    'items, key, kind',
    [
        ('images', 'id', 'key-missing'),
        ('images', 'file_name', 'key-missing'),
        ('images', 'width', 'key-missing'),
        ('images', 'height', 'key-missing'),
        ('annotations', 'id', 'key-missing'),
        ('annotations', 'image_id', 'key-missing'),
        ('annotations', 'category_id', 'key-missing'),
        ('annotations', 'bbox', 'bbox-missing'),
        ('annotations', 'keypoints', 'keypoints-missing'),
        ('annotations', 'area', 'area-missing'),
    ],
)
def test_missing_key(look, content, items, key, kind):
    label = content[items][1]['id'] if key != 'id' else '#1'
    del content[items][1][key]
    assert (kind, label) in kinds(look(content))


@pytest.mark.parametrize('key', ['iscrowd', 'num_keypoints', 'segmentation'])
def test_optional_key(look, content, key):
    del content['annotations'][1][key]
    assert look(content).findings == []


@pytest.mark.parametrize(
    'value',
    [
        [[10.0, 10, 20.0, 10, 20.0, 20]],
        coco_mask.encode(np.eye(90, 100, dtype=np.uint8, order='F')),
        coco_mask.encode(np.zeros((90, 100), np.uint8, order='F')),
        dict(size=[90, 100], counts=[1000, 2000, 6000]),
        None,
    ],
)
def test_good_segmentations(look, content, value):
    if isinstance(value, dict) and isinstance(value['counts'], bytes):
        value = dict(value, counts=value['counts'].decode())
    content['annotations'][1]['segmentation'] = value
    assert look(content).findings == []


@pytest.mark.parametrize(
    'value, kind',
    [
        ([], 'format'),
        (None, 'format'),
        ('text', 'format'),
        ({}, 'no-images'),
        (dict(images=[]), 'no-images'),
        (dict(images={}), 'format'),
        (dict(images=[1]), 'not-a-dict'),
        (dict(valid_content(), annotations=[]), 'no-people'),
        (dict(valid_content(), annotations=[None]), 'not-a-dict'),
        (dict(valid_content(), annotations='none'), 'format'),
        (dict(valid_content(), categories=[]), 'category-unknown'),
        (dict(valid_content(), categories=None), 'categories'),
        (dict(valid_content(), categories=[dict(name='person')]), 'categories'),
    ],
)
def test_whole_file(look, value, kind):
    report = look(value)
    assert kind in {finding.kind for finding in report.findings}
    assert len(report.summary()) > 0


@pytest.mark.parametrize('text', ['', ' ', '{"images": [', '\x00\x01', '[' * 100_000])
def test_unreadable_file(tmp_path, text):
    path = tmp_path / 'bad.json'
    path.write_text(text)
    report = validate(path)
    assert [f.kind for f in report.findings] == ['file-unreadable'] and not report.is_ok()
    assert 'bad.json' in report.findings[0].detail


def test_no_file(tmp_path):
    for path in (tmp_path / 'none.json', tmp_path):
        assert [f.kind for f in validate(path).findings] == ['file-unreadable']


def test_people_that_training_skips(look, content):
    first, second, third = content['annotations']
    first['iscrowd'] = 1
    second['bbox'] = [200, 10, 20, 20]
    third.update(num_keypoints=0, keypoints=[0] * 15)
    report = look(content)
    assert report.people == 0
    assert {'no-usable-person', 'bbox-outside'} <= {f.kind for f in report.findings}
    assert 'no-usable-person' not in {f.kind for f in look(content, needs_people=False).findings}
    first['iscrowd'] = 0
    assert look(content).people == 1


def test_unlabeled_people_are_fine_unless_all_are(look, content):
    empty = dict(num_keypoints=0, keypoints=[0] * 15, area=0)
    content['annotations'][0].update(empty)
    assert look(content).findings == []
    for annotation in content['annotations']:
        annotation.update(empty)
    assert 'all-unlabeled' in {f.kind for f in look(content).findings}


def test_num_keypoints_of_the_config_against_the_file(look, content):
    report = look(content, num_keypoints=17)
    assert {(f.kind, f.what, f.id) for f in report.findings if f.id} == {
        ('keypoint-count', '17', number) for number in (11, 12, 13)
    }
    del content['categories'][0]['keypoints']  # then what most annotations have
    content['annotations'][1]['keypoints'] = [1.0] * 18
    assert ('keypoint-count', 12) in kinds(look(content))


def test_everything_wrong_is_listed_at_once(look, content):
    content['annotations'][0].update(bbox=None, image_id=7, keypoints=[NAN] * 15)
    content['annotations'][1].update(segmentation=0, iscrowd=5)
    content['images'][0]['width'] = 'wide'
    assert {
        ('bbox-malformed', 11),
        ('image-unknown', 11),
        ('keypoints-not-finite', 11),
        ('segmentation', 12),
        ('iscrowd', 12),
        ('size-malformed', 1),
    } <= kinds(look(content))


@pytest.mark.parametrize('settings', [dict(depth='deep'), dict(depth='files'), dict(format='voc')])
def test_wrong_arguments(look, content, settings):
    with pytest.raises(ValueError, match='depth|format'):
        look(content, **settings)


def test_all_fatal_findings_stop_a_dataset(content):
    """A data set refuses exactly the validator's fatal findings, because both use one check."""
    content['annotations'][0].update(bbox=None)
    content['annotations'][1].update(area='large')
    problems = annotation_problems(content, NUM_KEYPOINTS, needs_people=True)
    assert len(problems) == 2 and 'bbox' in problems[0] and 'area' in problems[1]
    content['annotations'][0].update(bbox=[0, 0, 0, 0])  # skipped in training: no refusal
    assert len(annotation_problems(content, NUM_KEYPOINTS, needs_people=True)) == 1


# --- random corruption

junk = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.sampled_from([NAN, INF, -INF, 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
no_number = junk.filter(lambda value: not isinstance(value, bool))
IMAGE_KEYS = ('id', 'width', 'height')
ANNOTATION_KEYS = ('id', 'image_id', 'category_id', 'bbox', 'keypoints', 'num_keypoints', 'area')


@st.composite
def corruptions(draw) -> dict:
    """Draw a valid file with one fault."""
    content = valid_content()
    how = draw(st.sampled_from(['key', 'number', 'drop', 'list', 'entry', 'repeat']))
    items = draw(st.sampled_from(['images', 'annotations']))
    position = draw(st.integers(0, 2))
    entry = content[items][position]
    keys = IMAGE_KEYS if items == 'images' else ANNOTATION_KEYS
    if how == 'key':
        entry[draw(st.sampled_from(keys))] = draw(no_number)
    elif how == 'number':
        entry = content['annotations'][position]
        row = entry[draw(st.sampled_from(['bbox', 'keypoints']))]
        row[draw(st.integers(0, len(row) - 1))] = draw(junk)
    elif how == 'drop':
        required = [*keys[:3], 'bbox'] if items == 'annotations' else [*keys, 'file_name']
        del entry[draw(st.sampled_from(required))]
    elif how == 'list':
        content[items] = draw(junk)
    elif how == 'entry':
        content[items][position] = draw(junk.filter(lambda v: not isinstance(v, dict)))
    else:
        content[items].append(copy.deepcopy(entry))
    return content


def check_is_reported(folder, content) -> None:
    path = folder / 'corrupt.json'
    path.write_text(json.dumps(content))
    report = validate(path)
    assert report.findings
    assert report.summary() and list(report.by_annotation())
    json.dumps(report.to_dict(), allow_nan=False)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(corruptions())
def test_random_corruption_is_reported(tmp_path_factory, content):
    check_is_reported(tmp_path_factory.getbasetemp(), content)


@pytest.mark.long
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(corruptions())
def test_random_corruption_is_reported_long(tmp_path_factory, content):
    check_is_reported(tmp_path_factory.getbasetemp(), content)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.recursive(
        junk,
        lambda inner: st.fixed_dictionaries(
            dict(
                images=inner | st.lists(inner),
                annotations=inner | st.lists(inner),
                categories=inner,
            )
        ),
        max_leaves=6,
    ),
    st.sampled_from(['auto', 'coco', 'mpii']),
)
def test_any_json_is_reported(tmp_path_factory, content, form):
    path = tmp_path_factory.getbasetemp() / 'any.json'
    path.write_text(json.dumps(content))
    report = validate(path, format=form)
    assert not report.is_ok() and report.summary() and list(report.by_annotation())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_file_cut_anywhere_is_reported(tmp_path_factory, data):
    text = json.dumps(valid_content())
    path = tmp_path_factory.getbasetemp() / 'cut.json'
    path.write_text(text[: data.draw(st.integers(0, len(text) - 1))])
    assert [f.kind for f in validate(path).findings] == ['file-unreadable']
