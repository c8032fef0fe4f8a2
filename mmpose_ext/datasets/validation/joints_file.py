# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read the joints.mat of LSP and LSPET."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from mmpose_ext.utils.errors import DataError

from .formats import LSP_KEYPOINTS


def read_joints(joints_file: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Read ``joints.mat``, and count joints that are not finite as unlabeled.

    Returns:
        tuple: Joints (N, 14, 3) in pixels from 0 with COCO's visibility, float64, and the number of
        digits in the data set's file names.

    Raises:
        DataError: If the file cannot be read or its array is of neither set's shape.
    """
    joints, digits = load_joints(joints_file)
    joints[~np.isfinite(joints).all(-1)] = 0
    joints[..., :2] = np.where(joints[..., 2:] > 0, joints[..., :2], 0)
    return joints, digits


def load_joints(joints_file: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Read ``joints.mat`` as :func:`read_joints` does, but keep every position unchanged.

    Raises:
        DataError: If the file cannot be read or its array is of neither set's shape.
    """
    if not Path(joints_file).is_file():
        raise DataError(f'{joints_file} does not exist: give the path of joints.mat')
    try:
        joints = loadmat(joints_file)['joints'].astype(np.float64)
    except Exception as error:  # scipy raises many kinds for other files
        raise DataError(f"{joints_file} is not a MATLAB file with an array 'joints'") from error
    num = LSP_KEYPOINTS
    if joints.ndim == 3 and joints.shape[:2] == (3, num):
        joints, digits = joints.transpose(2, 1, 0), 4
        joints[..., 2] = np.where(joints[..., 2] > 0, 1, 2)
    elif joints.ndim == 3 and joints.shape[:2] == (num, 3):
        joints, digits = joints.transpose(2, 0, 1), 5
        joints[..., 2] = np.where(joints[..., 2] > 0, 2, 0)
    else:
        raise DataError(
            f"'joints' in {joints_file} is {joints.shape}; LSP's is (3, 14, N), LSPET's (14, 3, N)"
        )
    joints[..., :2] -= 1
    return joints, digits
