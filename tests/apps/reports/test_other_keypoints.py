# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train, test, predict and export both bottom-up models on keypoints other than COCO's 17."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from reported_files import H, W, write_images

from mmpose_ext.apps.export import export_onnx
from mmpose_ext.apps.main import main
from mmpose_ext.datasets import PersonMasks

MMPOSE = 'configs/_base_/datasets/'
THREE = """dataset_info = dict(
    dataset_name='three',
    keypoint_info={
        0: dict(name='nose', id=0, type='upper', swap=''),
        1: dict(name='left_wrist', id=1, type='upper', swap='right_wrist'),
        2: dict(name='right_wrist', id=2, type='upper', swap='left_wrist'),
    },
    skeleton_info={},
    joint_weights=[1.0] * 3,
    sigmas=[0.026, 0.062, 0.062],
)
"""
#: K: (metainfo file, keypoint where all edges start; None: the edges are the skeleton's)
SETS = {
    3: (None, 0),
    14: ('crowdpose.py', 13),
    21: ('coco_wholebody_hand.py', None),
    133: ('coco_wholebody.py', 0),
}
_count = itertools.count()


def write_set(num_keypoints: int, folder: Path) -> tuple[str, Path]:
    """Write two images, their people and, if mmpose has none, a metainfo file."""
    metainfo = SETS[num_keypoints][0]
    if metainfo is None:
        (folder / 'three.py').write_text(THREE)
    metainfo = MMPOSE + metainfo if metainfo else str(folder / 'three.py')
    write_images(folder / 'images')
    rng = np.random.default_rng(0)
    people = []
    for number, (image, x) in enumerate(((1, 2), (1, 50), (2, 20)), 1):
        points = np.c_[rng.uniform(x, x + 40, num_keypoints), rng.uniform(4, 76, num_keypoints)]
        keypoints = np.c_[points.round(1), np.full(num_keypoints, 2)].ravel().tolist()
        people.append(
            dict(id=number, image_id=image, category_id=1, iscrowd=0, bbox=[x, 4, 40, 72],
                 area=1500.0, num_keypoints=num_keypoints, keypoints=keypoints)
        )  # fmt: skip
    images = [dict(id=i, file_name=f'{i}.png', width=W, height=H) for i in (1, 2)]
    content = dict(images=images, annotations=people, categories=[dict(id=1, name='thing')])
    (folder / 'people.json').write_text(json.dumps(content))
    return metainfo, folder / 'people.json'


def strongpose(num_keypoints: int, metainfo: str) -> tuple[dict, dict, dict]:
    """Return the model, its codec and its ``PersonMasks``."""
    info = parse_pose_metainfo(dict(from_file=metainfo))
    start = SETS[num_keypoints][1]
    edges = [(start, k) for k in range(num_keypoints) if k != start]
    if start is None:
        edges = [tuple(link) for link in info['skeleton_links']]
    codec = dict(
        type='DiskOffset', input_size=(65, 65), map_size=(9, 9), radius=8, edges=edges,
        sigmas=[float(sigma) for sigma in info['sigmas']],
    )  # fmt: skip
    masks = dict(type='PersonMasks', map_size=codec['map_size'], limbs=edges)
    backbone = dict(type='DilatedResNet', depth=18, stem_channels=8, base_channels=8, num_stages=3)
    head = dict(type='DiskOffsetHead', in_channels=32, decoder=codec)
    backbone.update(train_stride=8, test_stride=8)
    return dict(type='MultiScaleBottomupEstimator', backbone=backbone, head=head), codec, masks


def cluster(num_keypoints: int, metainfo: str) -> tuple[dict, dict, dict]:
    """Return the model, its codec and its ``PersonMasks``."""
    codec = dict(
        type='ClusterTag', input_size=(64, 64), heatmap_size=(16, 16), clusters=num_keypoints,
        metainfo=metainfo, max_people=3, draw_on_device=True,
    )  # fmt: skip
    clusters = dict(sparse_clusters=(num_keypoints,), dense_clusters=(1,))
    channels = 16 + 2 * (num_keypoints // 2 + 1)  # room for the predictions
    backbone = dict(type='BranchedHourglass', depth=3, channels=channels, stem_channels=8)
    backbone.update(clusters)
    backbone['metainfo'] = metainfo
    head = dict(type='ClusterTagHead', decoder=codec, **clusters)
    masks = dict(type='PersonMasks', map_size=codec['heatmap_size'], instance_map=False)
    return dict(type='BottomupPoseEstimator', backbone=backbone, head=head), codec, masks


def training_config(paper, num_keypoints: int, folder: Path) -> Config:
    metainfo, file = write_set(num_keypoints, folder)
    model, codec, masks = paper(num_keypoints, metainfo)
    size = codec['input_size']
    train = [
        dict(type='LoadImage'),
        dict(type='BottomupRandomAffine', input_size=size),
        dict(type='RandomFlip', direction='horizontal'),
        masks,
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
    names = ('id', 'img_id', 'img_path', 'ori_shape', 'img_shape', 'input_size', 'input_center')
    names += ('input_scale', 'flip_indices', 'raw_ann_info', 'dataset_name')
    test = [
        dict(type='LoadImage'),
        dict(type='BottomupResize', input_size=size, size_factor=1),
        dict(type='PackPoseInputs', meta_keys=names),
    ]

    def loader(pipeline: list, **extra) -> dict:
        dataset = dict(
            type='CheckedCocoDataset', data_mode='bottomup', ann_file=str(file), **extra,
            metainfo=dict(from_file=metainfo), pipeline=pipeline,
            data_prefix=dict(img=str(folder / 'images')),
        )  # fmt: skip
        sampler = dict(type='DefaultSampler', shuffle=False)
        return dict(batch_size=2, num_workers=0, sampler=sampler, dataset=dataset)

    evaluator = dict(type='CocoMetric', ann_file=str(file), score_mode='bbox', nms_mode='none')
    return Config(
        dict(
            default_scope='mmpose',
            experiment_name=f'other_keypoints{next(_count)}',
            work_dir=str(folder / 'work'),
            log_level='ERROR',
            model=dict(
                model,
                data_preprocessor=dict(type='PoseDataPreprocessor'),
                test_cfg=dict(flip_test=True),
            ),
            train_dataloader=loader(train),
            val_dataloader=loader(test, test_mode=True),
            test_dataloader=loader(test, test_mode=True),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3)),
            default_hooks=dict(
                checkpoint=dict(type='SafeCheckpointHook', interval=1),
                validate_data=dict(type='ValidateDataHook'),
            ),
        )
    )


@pytest.mark.long
@pytest.mark.parametrize('num_keypoints', SETS)
@pytest.mark.parametrize('paper', [strongpose, cluster])
def test_train_test_predict_export(paper, num_keypoints, tmp_path, capsys):
    cfg = training_config(paper, num_keypoints, tmp_path)
    cfg.dump(tmp_path / 'config.py')
    with DefaultScope.overwrite_default_scope('mmpose'):
        Runner.from_cfg(cfg).train()
        cfg.load_from = str(tmp_path / 'work' / 'epoch_1.pth')
        cfg.experiment_name += ' tested'
        assert 'coco/AP' in Runner.from_cfg(cfg).test()
    files = [str(tmp_path / 'config.py'), cfg.load_from]
    arguments = [str(tmp_path / 'images'), '--out', str(tmp_path / 'out'), '--device', 'cpu']
    assert main(['predict', *files, *arguments, '--quiet']) == 0
    for result in json.loads((tmp_path / 'out' / 'results.json').read_text()):
        assert len(result['keypoints']) == 3 * num_keypoints
    # after a few steps, the maps are too flat to find keypoints, so the maps are compared
    assert export_onnx(*files, tmp_path / 'model.onnx').verification.map_difference < 1e-4
    assert main(['browse', *files[:1], '--out', str(tmp_path / 'seen'), '--number', '1']) == 0


def sample(num_keypoints: int, **more) -> dict:
    """Return a sample of a person whose keypoints lie on a diagonal."""
    points = np.linspace(10, 50, num_keypoints)
    keypoints = np.c_[points, points, np.full(num_keypoints, 2)]
    annotation = dict(bbox=[5, 5, 50, 50], keypoints=keypoints.ravel().tolist())
    return dict(
        img=np.zeros((64, 64, 3), np.uint8),
        raw_ann_info=[annotation],
        keypoints=keypoints[None, :, :2],
        keypoints_visible=np.ones((1, num_keypoints)),
        flip_indices=list(range(num_keypoints)),
        **more,
    )


@pytest.mark.parametrize('num_keypoints', [1, 3, 14, 19, 133])
def test_masks_draw_the_skeleton(num_keypoints):
    links = [(k, k + 1) for k in range(num_keypoints - 1)]
    one = sample(num_keypoints, dataset_name='mine', skeleton_links=links)
    drawn = PersonMasks((64, 64)).transform(one)['instance_map']
    shown = drawn[np.arange(64), np.arange(64)]
    assert shown[30] == 1 if num_keypoints > 1 else shown[10] == 1
    assert drawn[5, 60] == 0


def test_masks_of_17_other_keypoints_do_not_have_cocos_limbs():
    one = sample(17, dataset_name='mine', skeleton_links=[(0, 1)])
    drawn = PersonMasks((64, 64), least_radius=0.5).transform(one)['instance_map']
    assert drawn[11, 11] == 1 and (drawn > 0).sum() < 400


@pytest.mark.parametrize('links', [None, []])
def test_masks_without_limbs_say_so(links):
    one = sample(3, dataset_name='mine', skeleton_links=links)
    with pytest.raises(ValueError, match=r'limbs of these 3 keypoints.*no skeleton.*Set limbs'):
        PersonMasks((64, 64)).transform(one)
    assert 'instance_map' not in PersonMasks((64, 64), instance_map=False).transform(one)
    assert PersonMasks((64, 64), limbs=[]).transform(one)['instance_map'].any()
    assert PersonMasks((64, 64), limbs=[(0, 1)]).transform(one)['instance_map'].any()
    with pytest.raises(ValueError, match=r'more than the 3 keypoints'):
        PersonMasks((64, 64), limbs=[(0, 3)]).transform(one)


def test_masks_behind_a_converter():
    one = sample(17, dataset_name='coco', skeleton_links=[(0, 1), (15, 16)])
    one['keypoints'], one['keypoints_visible'] = one['keypoints'][:, 2:5], np.ones((1, 3))
    with pytest.raises(ValueError, match='KeypointConverter changed'):
        PersonMasks((64, 64)).transform(one)
    drawn = PersonMasks((64, 64), limbs=[(0, 1), (1, 2)]).transform(one)['instance_map']
    assert drawn[17, 17] == 1 and drawn[50, 50] == 0
