# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""PoseTrack18 for bottom-up training, with the regions of people who are not annotated."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.datasets import PoseTrack18Dataset
from mmpose.registry import DATASETS


@DATASETS.register_module()
class IgnoreRegionPoseTrack18Dataset(PoseTrack18Dataset):
    """mmpose's ``PoseTrack18Dataset``, which also passes on each frame's ignore regions.

    PoseTrack marks regions with people who are not annotated by polygons, a frame's
    ``ignore_regions_x`` and ``ignore_regions_y``. mmpose drops them, so these people train as
    background. Here a bottom-up sample has them as ``ignore_regions``, and
    :class:`mmpose_ext.datasets.PersonMasks` excludes them from the loss.

    Added key of a bottom-up sample:

    - ``ignore_regions``: list of (P, 2) float64 arrays, polygons [x, y] in pixels of the image.

    The arguments are those of ``mmpose.datasets.PoseTrack18Dataset``.

    Raises:
        ValueError: If a polygon has different numbers of x and y; the message names the frame's
            file.
    """

    def _get_bottomup_data_infos(
        self, instance_list: list[dict], image_list: list[dict]
    ) -> list[dict]:
        data_list = super()._get_bottomup_data_infos(instance_list, image_list)
        images = {image['img_id']: image for image in image_list}
        for data_info in data_list:
            data_info['ignore_regions'] = ignore_regions(images[data_info['img_id']])
        return data_list


def ignore_regions(image: dict[str, Any]) -> list[np.ndarray]:
    """Read the ignore regions of a frame.

    Args:
        image (dict): The frame's entry in the annotation file. A frame with one region may have its
            numbers without an enclosing list.

    Returns:
        list[np.ndarray]: (P, 2) float64 each, [x, y] in pixels, without regions of fewer than three
        points.

    Raises:
        ValueError: If the lists of x and y do not have the same lengths.
    """
    xs, ys = ([*(image.get(f'ignore_regions_{axis}') or ())] for axis in 'xy')
    if xs and not isinstance(xs[0], (list, tuple)):
        xs, ys = [xs], [ys]
    if [len(x) for x in xs] != [np.size(y) for y in ys]:
        raise ValueError(
            f'PoseTrack18 frame {image.get("file_name")}: ignore_regions_x and ignore_regions_y '
            'differ in length; each region needs as many x as y.'
        )
    regions = [np.array([x, y], np.float64).T for x, y in zip(xs, ys)]
    return [region for region in regions if len(region) > 2]
