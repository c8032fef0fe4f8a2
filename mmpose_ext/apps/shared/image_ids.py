# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Image ids for a results file: ids of an annotation file, or the images' names."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import PurePath

from mmpose_ext.datasets.validation import person_category, some
from mmpose_ext.datasets.validation.values import is_id
from mmpose_ext.utils.errors import DataError
from mmpose_ext.utils.reading import read_json

from .inputs import Failure, Frame, Source


class ImageIds:
    """Image ids by file name, and the category of the people.

    Args:
        ann_file (str | os.PathLike, optional): A COCO-format file with ``images``. Without it, an
            image's id is its name, a video frame's id is ``name#index``, and people have category
            1.

    Attributes:
        category_id (int): The file's category of people.

    Raises:
        DataError: If the file cannot be read, holds no images, or people of several categories.
    """

    def __init__(self, ann_file: str | os.PathLike | None = None) -> None:
        self.ann_file = ann_file
        self.table: dict[str, int] | None = None
        self.content = read_annotations(ann_file) if ann_file is not None else {}
        self.category_id = person_category(self.content, f'annotation file {ann_file}')
        if ann_file is not None:
            images = self.content['images']
            self.table = {PurePath(i['file_name']).as_posix(): i['id'] for i in images}
            bases = Counter(PurePath(name).name for name in self.table)
            for name, image_id in list(self.table.items()):  # also find names without their folders
                if bases[PurePath(name).name] == 1:
                    self.table.setdefault(PurePath(name).name, image_id)

    def of(self, frame: Frame) -> int | str | None:
        """Return the frame's image id; None for a video's frame or an image not in the file."""
        if self.table is None:
            return frame.name
        return self._lookup(frame.source) if frame.index is None else None

    def split(self, sources: list[Source]) -> tuple[list[Source], list[Failure]]:
        """Split the sources into those with an id and failures for the others."""
        if self.table is None:
            return sources, []
        known = [source for source in sources if self._lookup(source) is not None]
        reason = f'not among the images of the annotation file {self.ann_file}'
        return known, [Failure(s.path, reason) for s in sources if self._lookup(s) is None]

    def _lookup(self, source: Source) -> int | None:
        """Return the id of the longest end of the path that is in the table."""
        if self.table is None or source.kind != 'image':
            return None
        parts = PurePath(source.path).parts
        for start in range(len(parts)):
            name = PurePath(*parts[start:]).as_posix()
            if name in self.table:
                return self.table[name]
        return None


def read_annotations(ann_file: str | os.PathLike) -> dict:
    """Read a COCO-format file with ``images`` that have ``id`` and ``file_name``.

    Raises:
        DataError: If the file cannot be read, holds no such images, or one twice.
    """
    content = read_json(str(ann_file), 'annotation file')
    images = content.get('images') if isinstance(content, dict) else None
    if not images or not isinstance(images, list) or not all(map(_is_image, images)):
        raise DataError(
            f'annotation file {ann_file} holds no list of images with id (a whole number or a '
            'text) and file_name: mmpose-ext validate lists what is wrong'
        )
    ids = Counter(image['id'] for image in images)
    names = Counter(image['file_name'] for image in images)
    for key, counts in (('id', ids), ('file_name', names)):
        repeated = [value for value, count in counts.items() if count > 1]
        if repeated:
            raise DataError(
                f'annotation file {ann_file} has several images with the {key} '
                f'{some(repeated)}: give each image once'
            )
    return content


def _is_image(image: object) -> bool:
    if not isinstance(image, dict) or not {'id', 'file_name'} <= set(image):
        return False
    number, name = image['id'], image['file_name']
    return (is_id(number) or isinstance(number, str)) and isinstance(name, str) and bool(name)
