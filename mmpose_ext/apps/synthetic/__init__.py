# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make a synthetic multi-person keypoint data set of any size from a seed.

``generate`` (or the command ``mmpose-ext synthetic``) writes in COCO format::

    out/
      train/000000000001.jpg ...        val/000001000001.jpg ...       (test/ likewise)
      annotations/person_keypoints_{train,val}.json     images, people, keypoints, boxes, areas,
                                                        outlines
      annotations/person_detections_{train,val}.json    boxes with scores, like a detector's
      manifest.json                                     the settings, and whether all is written

It needs only numpy, OpenCV and tqdm.
"""

from .writer import generate

__all__ = ['generate']
