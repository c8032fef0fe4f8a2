# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Leeds Sports Pose and its extended training set, in COCO format."""

from mmpose.registry import DATASETS

from .checked_coco import CheckedCocoDataset

KEYPOINT_NAMES = (
    'right_ankle',
    'right_knee',
    'right_hip',
    'left_hip',
    'left_knee',
    'left_ankle',
    'right_wrist',
    'right_elbow',
    'right_shoulder',
    'left_shoulder',
    'left_elbow',
    'left_wrist',
    'neck',
    'head_top',
)
_LIMBS = (
    ('right_ankle', 'right_knee'),
    ('right_knee', 'right_hip'),
    ('left_hip', 'left_knee'),
    ('left_knee', 'left_ankle'),
    ('right_hip', 'left_hip'),
    ('right_wrist', 'right_elbow'),
    ('right_elbow', 'right_shoulder'),
    ('left_shoulder', 'left_elbow'),
    ('left_elbow', 'left_wrist'),
    ('right_shoulder', 'neck'),
    ('left_shoulder', 'neck'),
    ('right_shoulder', 'right_hip'),
    ('left_shoulder', 'left_hip'),
    ('neck', 'head_top'),
)
# COCO's values for COCO's joints, MPII's for neck and top of the head.
_SIGMAS = dict(
    ankle=0.089,
    knee=0.087,
    hip=0.107,
    wrist=0.062,
    elbow=0.072,
    shoulder=0.079,
    neck=0.026,
    head_top=0.026,
)
_COLORS = dict(left=[0, 255, 0], right=[255, 128, 0], middle=[51, 153, 255])


def _side(name: str) -> str:
    side = name.split('_')[0]
    return side if side in ('left', 'right') else 'middle'


def _swap(name: str) -> str:
    other = dict(left='right', right='left').get(_side(name))
    return name.replace(_side(name), other) if other else ''


def _metainfo() -> dict:
    lower = ('ankle', 'knee', 'hip')
    return dict(
        dataset_name='lsp',
        paper_info=dict(
            author='Sam Johnson and Mark Everingham',
            title='Clustered Pose and Nonlinear Appearance Models for Human Pose Estimation',
            container='British Machine Vision Conference (BMVC)',
            year='2010',
            homepage='https://doi.org/10.5244/C.24.12',
        ),
        keypoint_info={
            i: dict(
                name=name,
                id=i,
                color=_COLORS[_side(name)],
                type='lower' if name.endswith(lower) else 'upper',
                swap=_swap(name),
            )
            for i, name in enumerate(KEYPOINT_NAMES)
        },
        skeleton_info={
            i: dict(link=link, id=i, color=_COLORS[_side(link[0])]) for i, link in enumerate(_LIMBS)
        },
        joint_weights=[1.0] * len(KEYPOINT_NAMES),
        sigmas=[
            _SIGMAS[name if _side(name) == 'middle' else name.split('_')[1]]
            for name in KEYPOINT_NAMES
        ],
    )


@DATASETS.register_module()
class LspDataset(CheckedCocoDataset):
    """Leeds Sports Pose (LSP) and LSP extended (LSPET): 14 joints, one person per image.

    The annotations are in COCO format, as written by ``tools/lsp2coco.py``. Left and right are the
    person's own. The joints are::

        0 right_ankle   1 right_knee   2 right_hip       3 left_hip        4 left_knee
        5 left_ankle    6 right_wrist  7 right_elbow     8 right_shoulder  9 left_shoulder
        10 left_elbow  11 left_wrist  12 neck           13 head_top

    Args:
        *args: See :class:`CheckedCocoDataset`, whose checks apply.
        **kwargs: See :class:`CheckedCocoDataset`.
    """

    METAINFO: dict = _metainfo()
