# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pictures, videos and a webcam for the tests of commands."""

import cv2
import numpy as np


def write_picture(path, value=90, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
    return path


def write_video(path, frames=5, fourcc='MJPG', size=(32, 24)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 10, size)
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 * index % 240, np.uint8))
    writer.release()
    return path


class FakeCapture:
    """A webcam of three frames, then unplugged; numbers other than 0 don't exist."""

    def __init__(self, index):
        self.index, self.left, self.released = index, 3, False
        FakeCapture.last = self

    def isOpened(self):
        return self.index == 0

    def get(self, prop):
        return 0.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((8, 8, 3), np.uint8)

    def release(self):
        self.released = True
