# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read a data set's metainfo as mmpose does, and check it."""

from __future__ import annotations

from typing import Any

from mmpose.datasets.datasets.utils import parse_pose_metainfo

from .errors import DataError

#: The metainfo of COCO's 17 keypoints, in mmpose's configs.
COCO_METAINFO = 'configs/_base_/datasets/coco.py'


def load_metainfo(metainfo: dict[str, Any], name: str = '') -> dict[str, Any]:
    """Parse a metainfo as mmpose does, and check it.

    Args:
        metainfo (dict): A data set's setting, with ``from_file`` or the whole content.
        name (str): The name in messages, used without ``from_file``. Defaults to none.

    Returns:
        dict: The result of mmpose's ``parse_pose_metainfo``; empty for an empty metainfo.

    Raises:
        DataError: Naming the file and what is wrong.
        OSError: If the file does not exist.
    """
    name = metainfo.get('from_file', name)
    try:
        parsed = parse_pose_metainfo(metainfo) if metainfo else {}
    except KeyError as error:
        raise DataError(
            f"metainfo {name}: a 'swap' or a 'link' names keypoint {error}, which its "
            'keypoint_info does not have'
        ) from None
    except (AssertionError, AttributeError, SyntaxError) as error:
        reason = str(error).splitlines()[0].rstrip('.') if str(error) else 'it is not metainfo'
        raise DataError(
            f'metainfo {name}: {reason}. It must define dataset_info with dataset_name, '
            'keypoint_info, skeleton_info ({} for none), joint_weights and sigmas'
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:  # without the file's name
        raise DataError(f'metainfo {name}: {error}') from None
    problem = metainfo_problem(parsed)
    if problem:
        raise DataError(f'metainfo {name}: {problem}')
    return parsed


def keypoint_names(info: dict[str, Any]) -> list[str]:
    """Return the K names of a parsed metainfo's keypoints, in their order."""
    return [info['keypoint_id2name'][k] for k in range(info['num_keypoints'])]


def metainfo_problem(info: dict[str, Any]) -> str:
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
