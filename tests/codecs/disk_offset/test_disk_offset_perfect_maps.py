# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Perfect maps decode to the annotation, by COCO's own evaluation."""

import contextlib
import io
import json

import cv2
import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import BottomupResize
from mmpose.structures.bbox import get_warp_matrix
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from mmpose_ext.apps.synthetic import generate
from mmpose_ext.codecs import DiskOffset
from mmpose_ext.codecs.disk_offset.settings import COCO_SIGMAS
from mmpose_ext.datasets.transforms import PersonMasks
from mmpose_ext.utils.sequences import zip_equal


def through_the_codec(codec, coco, image_id):
    """Resize an image's annotation to the input, encode and decode it; return COCO results."""
    image = coco.imgs[image_id]
    people = [p for p in coco.imgToAnns[image_id] if p['num_keypoints'] > 0]
    size = (image['height'], image['width'])
    # one byte an image pixel: the transform reads no more than the size
    results = dict(img=np.zeros((*size, 1), np.uint8), img_shape=size, ori_shape=size)
    results = BottomupResize(codec.input_size, size_factor=1).transform(results)
    warp = get_warp_matrix(
        results['input_center'], results['input_scale'], 0, results['input_size']
    )
    annotated = np.array([p['keypoints'] for p in people], np.float32).reshape(-1, 17, 3)
    points = annotated[..., :2] @ warp[:, :2].T + warp[:, 2]
    visible = (annotated[..., 2] > 0).astype(np.float32)
    sample = dict(
        img=results['img'],
        warp_mat=warp,
        raw_ann_info=people,
        keypoints=points,
        keypoints_visible=visible,
    )
    sample = PersonMasks(codec.map_size).transform(sample)
    images = {name: sample[name] for name in codec.pixel_names}
    with torch.no_grad():
        encoded = codec.encode(points, visible, **images)
    keypoints, scores, person_scores = codec.decode(encoded)
    back = cv2.invertAffineTransform(warp)
    found = []
    for person, score, total in zip_equal(keypoints, scores, person_scores):
        place = person @ back[:, :2].T + back[:, 2]
        found.append(
            dict(
                image_id=image_id,
                category_id=1,
                keypoints=np.concatenate([place, score[:, None]], 1).ravel().tolist(),
                score=float(total),
            )
        )
    return found


def evaluate(coco, image_ids, results, max_people=20):
    """Return AP and AR over all sizes of people, by COCO's evaluation of keypoints.

    COCO's own limit is the 20 best people an image.
    """
    evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints', np.array(COCO_SIGMAS))
    evaluation.params.imgIds = image_ids
    evaluation.params.maxDets = [max_people]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval['precision'][..., 0, 0]
    recall = evaluation.eval['recall'][..., 0, 0]
    return dict(AP=precision[precision > -1].mean(), AR=recall[recall > -1].mean())


def perfect_ap(ann_file, codec, image_ids=None, max_people=20):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(ann_file))
        ids = sorted(coco.imgs) if image_ids is None else image_ids(coco)
        results = [r for i in ids for r in through_the_codec(codec, coco, i)]
        return evaluate(coco, ids, results, max_people)


def both_files(folder, out):
    """Write one annotation file for COCO-real's training and validation images."""
    one, other = (json.loads((folder / f'{name}.json').read_text()) for name in ('train', 'val'))
    for key in ('images', 'annotations'):
        one[key] += other[key]
    for number, annotation in enumerate(one['annotations'], 1):
        annotation['id'] = number
    (out / 'all.json').write_text(json.dumps(one))
    return out / 'all.json'


def test_some_real_images(shared_data, tmp_path):
    """Maps of a quarter of the size lose nothing, because keypoints keep their nearest cells."""
    ann_file = both_files(shared_data / 'coco-real', tmp_path)
    codec = DiskOffset((401, 401), (101, 101))
    result = perfect_ap(ann_file, codec, image_ids=lambda coco: sorted(coco.imgs)[::8])
    assert result['AP'] >= 0.95


# the paper's input, maps of its size; a quarter of them; larger inputs
@pytest.mark.long
@pytest.mark.parametrize(('size', 'map_size'), [(401, None), (401, (101, 101)), (641, (161, 161))])
def test_all_real_images(shared_data, tmp_path, size, map_size):
    ann_file = both_files(shared_data / 'coco-real', tmp_path)
    result = perfect_ap(ann_file, DiskOffset((size, size), map_size))
    assert result['AP'] >= 0.95


@pytest.mark.long
def test_synthetic_crowds(tmp_path):
    """With up to 30 people, COCO's limit of 20 per image alone would cost a tenth of the AP."""
    out = generate(
        tmp_path / 'crowds',
        dict(train=30, val=0, test=0),
        people=(1, 30),
        image_size=(640, 480),
        progress=False,
    )
    result = perfect_ap(
        out / 'annotations' / 'person_keypoints_train.json', DiskOffset((401, 401)), max_people=30
    )
    assert result['AP'] >= 0.95
