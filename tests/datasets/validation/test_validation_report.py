# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json
import re

import pytest

from mmpose_ext.datasets.validation import KINDS, Finding, Report, by_kind, problem_text


def test_every_kind_has_its_line():
    for name, kind in KINDS.items():
        text = problem_text([Finding(name, 'annotation', 7, what='this', detail='that')])
        assert text and '{' not in text
        assert kind.severity in ('fatal', 'error', 'warning')


def test_gravest_first_and_ids_cut():
    findings = [Finding('keypoints-outside', 'annotation', n) for n in range(9)]
    findings.append(Finding('bbox-empty', 'annotation', 3))
    groups = by_kind(findings)
    assert [group[0].kind for group in groups] == ['bbox-empty', 'keypoints-outside']
    assert problem_text(groups[1]).endswith('image: 0, 1, 2, 3, 4, ...')


def test_list_by_annotation_is_in_order_of_ids_and_can_be_cut():
    findings = [
        Finding('bbox-empty', 'annotation', 20, 1),
        Finding('id-malformed', 'annotation', '#4'),
        Finding('image-missing', 'image', 1, annotation_ids=(3, 20), detail='a.jpg'),
        Finding('bbox-empty', 'annotation', 3, 1),
        Finding('image-missing', 'image', 2, detail='b.jpg'),
        Finding('no-images'),
    ]
    report = Report('file.json', findings=findings, file_names={1: 'a.jpg'})
    assert list(report.by_annotation()) == [
        'file',
        '  fatal   no-images',
        'annotation 3 (image 1, a.jpg)',
        '  error   image-missing: a.jpg',
        '  error   bbox-empty',
        'annotation 20 (image 1, a.jpg)',
        '  error   bbox-empty',
        '  error   image-missing: a.jpg',
        'annotation #4',
        '  fatal   id-malformed',
        'image 2, no annotations',
        '  error   image-missing: b.jpg',
    ]
    assert list(report.by_annotation(1))[-1] == '... and 4 more'


def test_counts_and_headline():
    report = Report('file.json', images=2, annotations=3, people=1)
    assert report.is_ok(strict=True) and 'no error(s), no warning(s)' in report.headline()
    report.findings = [Finding('file-repeated', 'image', 1)]
    assert report.is_ok() and not report.is_ok(strict=True)
    report.findings.append(Finding('bbox-empty', 'annotation', 1))
    assert not report.is_ok() and '1 error(s), 1 warning(s)' in report.headline()


def test_json(tmp_path):
    finding = Finding('image-missing', 'image', 1, annotation_ids=(3, float('nan')), detail='a.jpg')
    report = Report('file.json', findings=[finding], file_names={1: 'a.jpg'})
    report.write(tmp_path / 'report.json')
    written = json.loads((tmp_path / 'report.json').read_text())
    assert written['errors'] == 1 and not written['ok']
    assert written['kinds'][0]['count'] == 1
    assert written['findings'][0] == dict(
        kind='image-missing',
        severity='error',
        item='image',
        id=1,
        annotation_ids=[3, 'nan'],
        image_id=1,
        file_name='a.jpg',
        detail='a.jpg',
    )


@pytest.mark.parametrize('kind', [k for k in KINDS.values() if k.severity != 'warning'])
def test_errors_say_what_to_do(kind):
    remedy = r'\b(Add|Check|Copy|Give|give|Leave|multiply|Number|Renumber|Remove|Write)\b'
    assert kind.template == '{first}' or re.search(remedy, kind.template)
