# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""All kinds of faults that the validator finds, with their severity and message."""

from dataclasses import dataclass

FATAL, ERROR, WARNING = 'fatal', 'error', 'warning'
SEVERITIES = (FATAL, ERROR, WARNING)


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        name (str): Short name, the same in text and JSON.
        severity (str): ``'fatal'``: training cannot use the file. ``'error'``: something is wrong,
            and training skips it, learns from it or stops at it. ``'warning'``: unusual, but
            harmless.
        template (str): The summary of all faults of this kind; may contain {count}, {item}, {ids}
            (the first few), {what} (the finding's) and {first} (the first finding's detail).
    """

    name: str
    severity: str
    template: str


@dataclass(frozen=True)
class Finding:
    """One fault of one annotation, image, detection or of the whole file.

    Attributes:
        kind (str): A key of :data:`KINDS`.
        item (str): ``'file'``, ``'image'``, ``'annotation'`` or ``'detection'``.
        id (object): The item's id; ``'#3'`` for the entry at position 3 (from 0) without a usable
            id; a detection's position; None for the file.
        image_id (object): The annotation's image, or None for other items.
        what (str): A value that separates findings of this kind in the summary (a key's name).
        detail (str): The faulty values.
        annotation_ids (tuple): The annotations that an image's fault concerns.
    """

    kind: str
    item: str = 'file'
    id: object = None
    image_id: object = None
    what: str = ''
    detail: str = ''
    annotation_ids: tuple = ()

    @property
    def severity(self) -> str:
        """``'fatal'``, ``'error'`` or ``'warning'``."""
        return KINDS[self.kind].severity


_TABLE = (
    # the file
    ('file-unreadable', FATAL, '{first}'),
    ('format', FATAL, '{first}'),
    ('no-images', FATAL, 'it holds no images'),
    ('no-people', FATAL, 'no annotation has both a bbox and keypoints'),
    ('all-unlabelled', FATAL, '{first}'),
    ('no-usable-person', FATAL, '{first}'),
    ('categories', ERROR, '{first}'),
    ('person-categories', WARNING, '{first}'),
    ('keypoint-order', FATAL, '{first}'),
    # entries and ids
    ('not-a-dict', FATAL, '{count} {item}(s) that are no dict: {ids}'),
    ('key-missing', FATAL, '{count} {item}(s) without {what}: {ids}'),
    ('id-malformed', FATAL, '{count} {item}(s) whose id is no whole number: {first}'),
    (
        'annotation-id-zero',
        WARNING,
        "{count} annotation(s) with the id 0, which COCO's API takes for no match: number the "
        'annotations from 1 (testing here does)',
    ),
    ('id-repeated', FATAL, '{count} repeated {item} id(s): {ids}'),
    ('image-unknown', FATAL, '{count} annotation(s) of images that are not in it: {ids}'),
    ('category-unknown', ERROR, '{count} annotation(s) of categories that are not in it: {ids}'),
    # images
    ('file-name', FATAL, '{count} image(s) whose file name cannot be used: {first}'),
    ('file-repeated', WARNING, '{count} image(s) with a file name that another has: {ids}'),
    ('size-malformed', FATAL, '{count} image(s) whose {what} is no positive number: {ids}'),
    ('image-missing', ERROR, '{count} image file(s) missing: {first}'),
    ('image-unreadable', ERROR, '{count} image file(s) that cannot be read: {first}'),
    ('image-truncated', ERROR, '{count} image file(s) cut short: {first}'),
    ('image-size', ERROR, '{count} image(s) of another size than the file says: {first}'),
    # boxes
    ('bbox-missing', ERROR, '{count} annotation(s) without bbox: {ids}'),
    ('bbox-malformed', FATAL, '{count} annotation(s) whose bbox is not 4 finite numbers: {ids}'),
    ('bbox-empty', ERROR, '{count} annotation(s) whose bbox has no area: {ids}'),
    ('bbox-outside', ERROR, '{count} annotation(s) whose bbox is outside the image: {ids}'),
    (
        'normalised',
        FATAL,
        'all boxes are smaller than a pixel, the first {first}: they are fractions of the image; '
        'multiply boxes and keypoints by width and height',
    ),
    ('bbox-partly-outside', WARNING, '{count} annotation(s) whose bbox is partly outside: {ids}'),
    # keypoints
    (
        'keypoints-missing',
        ERROR,
        '{count} annotation(s) without keypoints, at which testing stops: {ids}. Leave them out, '
        'or give each K times 0, 0, 0',
    ),
    (
        'keypoint-count',
        FATAL,
        '{count} annotation(s) do not have {what} keypoints of 3 numbers, as expected: '
        'ids {ids}; the first has {first}',
    ),
    (
        'keypoints-not-numbers',
        FATAL,
        '{count} annotation(s) whose keypoints are no numbers: {ids}',
    ),
    ('keypoints-not-finite', FATAL, '{count} annotation(s) with infinite or NaN keypoints: {ids}'),
    ('visibility', ERROR, '{count} annotation(s) with a visibility other than 0, 1, 2: {ids}'),
    ('keypoints-outside', WARNING, '{count} annotation(s) with keypoints outside the image: {ids}'),
    (
        'keypoints-at-origin',
        WARNING,
        '{count} annotation(s) with keypoints labelled at 0, 0: {ids}',
    ),
    ('num-keypoints', ERROR, '{count} annotation(s) whose num_keypoints misleads: {ids} ({first})'),
    (
        'num-keypoints-differs',
        WARNING,
        '{count} annotation(s) whose num_keypoints is not that of the labelled ones: {ids}',
    ),
    # the rest of an annotation
    ('area-malformed', FATAL, '{count} annotation(s) whose area is no finite number: {ids}'),
    (
        'area-missing',
        ERROR,
        '{count} annotation(s) without area, which AP needs: {ids}. Add it (of the segment or the '
        'box), or set use_area=False for CocoMetric',
    ),
    ('area-empty', ERROR, '{count} annotation(s) with labelled keypoints but no area: {ids}'),
    ('iscrowd', ERROR, '{count} annotation(s) whose iscrowd is neither 0 nor 1: {ids}'),
    ('segmentation', ERROR, '{count} annotation(s) with a malformed segmentation: {ids} ({first})'),
    ('segmentation-empty', WARNING, '{count} annotation(s) with an empty segmentation: {ids}'),
    # detections
    ('no-detected-person', FATAL, '{first}'),
    ('detection-image', FATAL, '{count} image id(s) that are not in ann_file {what}: {ids}'),
    (
        'detection-values',
        FATAL,
        '{count} detection(s) whose bbox or score is no finite number: {ids}',
    ),
)
KINDS = {name: Kind(name, severity, template) for name, severity, template in _TABLE}
