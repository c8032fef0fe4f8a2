# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A small valid keypoint file to corrupt."""

import numpy as np

WIDTH, HEIGHT, NUM_KEYPOINTS = 100, 90, 5


def person(number: int, image: int) -> dict:
    keypoints = np.tile([30.0, 40.0, 2.0], (NUM_KEYPOINTS, 1))
    keypoints[:, 0] += np.arange(NUM_KEYPOINTS)
    return dict(
        id=number,
        image_id=image,
        category_id=1,
        bbox=[10, 10, 60, 70],
        area=2000.0,
        iscrowd=0,
        num_keypoints=NUM_KEYPOINTS,
        keypoints=keypoints.ravel().tolist(),
        segmentation=[[10.0, 10.0, 60.0, 10.0, 60.0, 70.5]],
    )


def valid_content() -> dict:
    """Return images 1 (people 11, 12), 2 (person 13) and 3 (nobody)."""
    return dict(
        images=[dict(id=i, file_name=f'{i}.png', width=WIDTH, height=HEIGHT) for i in (1, 2, 3)],
        annotations=[person(11, 1), person(12, 1), person(13, 2)],
        categories=[dict(id=1, name='person', keypoints=list('abcde'), skeleton=[])],
    )
