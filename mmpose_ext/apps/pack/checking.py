# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check all of a pack and all of its images."""

from __future__ import annotations

import cv2
import numpy as np

from mmpose_ext.datasets.pack import PackError, PackReader, differences
from mmpose_ext.datasets.pack.records import id_in, person_key

from .job import PackJob, batches_of


def check_pack(job: PackJob) -> tuple[int, list[str]]:
    """Check what a pack holds for a job.

    Returns:
        tuple: The number of people of the job, and the faults.

    Raises:
        PackError: If the pack is missing or damaged as a whole.
    """
    reader = PackReader(job.path, job.command)
    try:
        people = [person for batch in batches_of(job) for person in sum(batch.values(), [])]
        keys = [person_key(dataset.get_data_info(index)) for dataset, index in people]
        wrong = [
            f'the pack {what}'
            for dataset in job.datasets
            for what in differences(reader, dataset, job.reach)
        ]
        wrong += [fault for key in keys for fault in _faults_of(reader, key)]
        return len(people), list(dict.fromkeys(wrong))
    finally:
        reader.close()


def _faults_of(reader: PackReader, key: bytes) -> list[str]:
    try:
        crop = reader.crop(key)
    except PackError as error:
        return [str(error)]
    file = np.frombuffer(crop.picture.content, np.uint8)
    readable = cv2.imdecode(file, cv2.IMREAD_COLOR) is not None
    return [] if readable else [f'person {id_in(key)}: the crop cannot be decoded']
