# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A synthetic multi-person keypoint set of any size, made from a seed.

``generate`` (or the command ``mmpose-ext synthetic``) writes, in COCO's format::

    out/
      train/000000000001.jpg ...        val/000001000001.jpg ...       (test/ likewise)
      annotations/person_keypoints_{train,val}.json     images, people, keypoints, boxes, areas,
                                                        outlines
      annotations/person_detections_{train,val}.json    boxes with scores, as a detector gives them
      manifest.json                                     the settings, and whether the set is whole

It needs numpy, OpenCV and tqdm only.
"""

from .writer import generate

__all__ = ['generate']
