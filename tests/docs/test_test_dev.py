# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Any COCO row with ``coco_test_dev.py`` writes a submission file."""

import json

import cv2
import numpy as np
import pytest
import yaml
from markdown_pages import marked_blocks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, METRICS

import mmpose_ext  # noqa: F401 (registers everything)


@pytest.fixture
def config(root, tmp_path, monkeypatch):
    """A row of CLNet for test-dev, as docs/composite-localization.md writes it, on two images."""
    (tmp_path / 'configs').symlink_to(root / 'configs')
    files, _ = marked_blocks(root / 'docs' / 'composite-localization.md')
    file = tmp_path / 'clnet152.py'
    file.write_text(files[file.name])
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(file)
    (tmp_path / 'test2017').mkdir()
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / 'test2017' / f'{number}.jpg'), np.zeros((40, 60, 3), np.uint8))
    images = [dict(id=n, file_name=f'{n}.jpg', width=60, height=40) for n in (1, 2)]
    category = dict(id=1, name='person')
    info = dict(images=images, categories=[category])  # no annotations, as COCO gives it
    (tmp_path / 'info.json').write_text(json.dumps(info))
    boxes = [dict(image_id=n, category_id=1, bbox=[5, 5, 20, 30], score=0.9) for n in (1, 2)]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    cfg.test_dataloader.dataset.update(
        data_root=str(tmp_path), ann_file='info.json', bbox_file=str(tmp_path / 'boxes.json')
    )
    cfg.test_evaluator.ann_file = str(tmp_path / 'info.json')
    return cfg


def test_submission_file(config, tmp_path):
    init_default_scope('mmpose')
    assert config.test_dataloader.dataset.data_prefix.img == 'test2017/'
    assert config.val_evaluator.get('format_only', False) is False
    dataset = DATASETS.build(config.test_dataloader.dataset)
    assert len(dataset) == 2
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    for index in range(2):
        sample = dataset[index]['data_samples']
        sample.pred_instances = InstanceData(
            keypoints=np.full((1, 17, 2), 7.0), keypoint_scores=np.full((1, 17), 0.5)
        )
        metric.process([], [sample.to_dict()])
    assert metric.evaluate(2) == {}
    name = 'person_keypoints_test-dev2017_clnet152_results.keypoints.json'  # as the page says
    written = json.loads((tmp_path / 'work_dirs' / 'test_dev' / name).read_text())
    assert [(entry['image_id'], entry['category_id']) for entry in written] == [(1, 1), (2, 1)]
    assert len(written[0]['keypoints']) == 51


@pytest.mark.parametrize(
    'family, page, rows',
    [('attention', 'attention', 5), ('clnet', 'composite-localization', 2)]
    + [('frsbn', 'full-resolution', 8)],
)
def test_pages_give_the_papers_results(root, family, page, rows):
    models = yaml.safe_load((root / 'configs' / f'{family}.yml').read_text())['Models']
    metrics = [model['Results'][0]['Metrics'] for model in models if 'Results' in model]
    found = [m['AP (paper, test-dev)'] for m in metrics if 'AP (paper, test-dev)' in m]
    assert len(found) == rows
    text = (root / 'docs' / f'{page}.md').read_text()
    section = text[text.index('## Accuracy') :]
    assert all(f' {100 * ap:.1f} ' in section for ap in found)
    assert '#a-submission-file-for-coco-test-dev' in section or '### A submission file' in section
