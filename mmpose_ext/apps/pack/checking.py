# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check a whole pack."""

from __future__ import annotations

import cv2
import numpy as np

from mmpose_ext.datasets.pack import PackError, PackReader
from mmpose_ext.datasets.pack.records import person_key, sha256_of
from mmpose_ext.datasets.pack.use import changed_images

from .job import PackJob


def check_pack(job: PackJob) -> list[str]:
    """Check a whole pack and all of its images.

    Returns:
        list[str]: The faults.

    Raises:
        PackError: If it is missing, incomplete or damaged as a whole.
    """
    reader = PackReader(job.path)
    try:
        return _faults(job, reader)
    finally:
        reader.close()


def _faults(job: PackJob, reader: PackReader) -> list[str]:
    wrong = []
    if reader.meta.ann_sha256 != sha256_of(job.dataset.ann_file):
        wrong.append(f'{job.dataset.ann_file} has changed since')
    for index in range(len(job.dataset)):
        key = person_key(job.dataset.get_data_info(index))
        try:
            crop = reader.crop(key)
            file = np.frombuffer(crop.picture.content, np.uint8)
            if cv2.imdecode(file, cv2.IMREAD_COLOR) is None:
                wrong.append(f'person {key.decode()[2:]}: the crop is no image')
        except PackError as error:
            wrong.append(str(error))
    wrong += [f'{path} has changed since' for path in changed_images(reader, job.dataset)]
    return wrong
