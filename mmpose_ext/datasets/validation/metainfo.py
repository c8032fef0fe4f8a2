# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check a data set's metainfo as parsed by mmpose."""

from __future__ import annotations


def metainfo_problem(info: dict) -> str:
    """Describe the fault of a parsed metainfo; return an empty string if it has none.

    Args:
        info (dict): The result of mmpose's ``parse_pose_metainfo``.
    """
    if not info:
        return ''
    names, count = info['keypoint_id2name'], info['num_keypoints']
    if sorted(names) != list(range(count)):
        return f'its keypoint_info must have the keys 0 to {count - 1}, not {sorted(names)}'
    for setting, key in (('sigmas', 'sigmas'), ('joint_weights', 'dataset_keypoint_weights')):
        if len(info[key]) != count:
            return f'it has {len(info[key])} {setting} for {count} keypoints: give one for each'
    partner = info['flip_indices']
    for k in range(count):
        if partner[partner[k]] != k:
            return (
                f'keypoint {names[k]!r} has the swap {names[partner[k]]!r}, but that has '
                f'{names[partner[partner[k]]]!r}: a flip must exchange the two'
            )
    return ''
