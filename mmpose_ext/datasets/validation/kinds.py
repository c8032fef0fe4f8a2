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
    (
        'no-images',
        FATAL,
        "it holds no images: give a file in COCO's form, with 'images' and 'annotations'",
    ),
    (
        'no-people',
        FATAL,
        'no annotation has both a bbox and keypoints: give a file of keypoints, such as '
        'person_keypoints_*.json of COCO',
    ),
    ('all-unlabeled', FATAL, '{first}'),
    ('no-usable-person', FATAL, '{first}'),
    ('categories', ERROR, '{first}'),
    ('person-categories', WARNING, '{first}'),
    ('keypoint-order', FATAL, '{first}'),
    ('nothing-to-evaluate', ERROR, '{first}'),
    # entries and ids
    ('not-a-dict', FATAL, '{count} {item}(s) that are not dicts: {ids}. Remove them'),
    ('key-missing', FATAL, '{count} {item}(s) without {what}: {ids}. Add it'),
    (
        'id-malformed',
        FATAL,
        '{count} {item}(s) whose id is not a 64-bit integer: {first}. Number them from 1',
    ),
    (
        'annotation-id-zero',
        WARNING,
        "{count} annotation(s) with the id 0, which COCO's API takes for no match: number the "
        'annotations from 1 (testing here does)',
    ),
    ('id-repeated', FATAL, '{count} repeated {item} id(s): {ids}. Renumber them'),
    (
        'image-unknown',
        FATAL,
        '{count} annotation(s) of images that are not in it: {ids}. Add the images, or remove them',
    ),
    (
        'category-unknown',
        ERROR,
        '{count} annotation(s) of categories that are not in it: {ids} ({first}), at which testing '
        'stops. Add the categories, or correct category_id',
    ),
    # images
    (
        'file-name',
        FATAL,
        '{count} image(s) whose file name cannot be used: {ids} ({first}). Write the path within '
        'the image folder',
    ),
    (
        'file-repeated',
        WARNING,
        '{count} image(s) with a file name that another has: {ids}. Give all people of a file the '
        'same image_id',
    ),
    (
        'size-malformed',
        FATAL,
        '{count} image(s) whose {what} is not a positive number: {ids}. Write the size in pixels',
    ),
    (
        'image-missing',
        ERROR,
        '{count} image file(s) missing: {first}. Check the folder, and the folders, case and '
        '%-codes of file_name',
    ),
    (
        'image-unreadable',
        ERROR,
        '{count} image file(s) that cannot be read: {first}. Copy them again, or convert them',
    ),
    ('image-truncated', ERROR, '{count} image file(s) cut short: {first}. Copy them again'),
    (
        'image-size',
        ERROR,
        '{count} image(s) of another size than the file says: {first}. Write the size of the '
        'upright image, with boxes and keypoints in its pixels',
    ),
    # boxes
    (
        'bbox-missing',
        ERROR,
        '{count} annotation(s) without bbox: {ids}, which training skips and at which testing '
        'stops. Add [x, y, width, height]',
    ),
    (
        'bbox-malformed',
        FATAL,
        '{count} annotation(s) whose bbox is not 4 finite numbers: {ids} ({first}). Write '
        '[x, y, width, height]',
    ),
    (
        'bbox-empty',
        ERROR,
        '{count} annotation(s) whose bbox has no area: {ids} ({first}), which top-down models '
        'skip. Write [x, y, width, height], in pixels',
    ),
    (
        'bbox-outside',
        ERROR,
        '{count} annotation(s) whose bbox is outside the image: {ids} ({first}), which top-down '
        'models skip. Write [x, y, width, height], in pixels of this image',
    ),
    (
        'normalized',
        FATAL,
        'all boxes are smaller than a pixel, the first {first}: they are fractions of the image; '
        'multiply boxes and keypoints by width and height',
    ),
    ('bbox-corners', ERROR, '{first}'),
    ('bbox-corners-likely', WARNING, '{first}'),
    ('boxes-elsewhere', ERROR, '{first}'),
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
        'ids {ids}; the first has {first}. Write x, y, visibility for each; 0, 0, 0 without a '
        'label',
    ),
    (
        'keypoints-not-numbers',
        FATAL,
        '{count} annotation(s) whose keypoints are not numbers: {ids} ({first}). Write x, y and '
        'the visibility 0, 1 or 2',
    ),
    (
        'keypoints-not-finite',
        FATAL,
        '{count} annotation(s) with infinite or NaN keypoints: {ids} ({first}). Write 0, 0, 0 for '
        'keypoints without a label',
    ),
    (
        'keypoints-normalized',
        FATAL,
        'all labeled keypoints lie within the first pixel ({first}): they are fractions of the '
        'image; multiply them by width and height',
    ),
    (
        'visibility-negative',
        FATAL,
        '{count} annotation(s) with keypoints of a visibility below 0: {ids} ({first}). Write '
        '0, 0, 0 for keypoints without a label',
    ),
    (
        'visibility',
        ERROR,
        '{count} annotation(s) with a visibility other than 0, 1, 2: {ids} ({first}). Write 0 '
        'without a label, 1 for hidden and 2 for visible keypoints',
    ),
    ('keypoints-outside', WARNING, '{count} annotation(s) with keypoints outside the image: {ids}'),
    (
        'keypoints-at-origin',
        WARNING,
        '{count} annotation(s) with keypoints labeled at 0, 0: {ids}',
    ),
    (
        'num-keypoints',
        ERROR,
        '{count} annotation(s) whose num_keypoints misleads: {ids} ({first}). Write the number of '
        'keypoints with a visibility of 1 or 2',
    ),
    (
        'num-keypoints-differs',
        WARNING,
        '{count} annotation(s) whose num_keypoints is not that of the labeled ones: {ids}',
    ),
    # the rest of an annotation
    (
        'area-malformed',
        FATAL,
        '{count} annotation(s) whose area is not a finite number: {ids} ({first}). Write it in '
        'pixels',
    ),
    (
        'area-missing',
        ERROR,
        '{count} annotation(s) without area, which AP needs: {ids}. Add it (of the segment or the '
        'box), or set use_area=False for CocoMetric',
    ),
    ('areas', ERROR, '{first}'),
    (
        'area-empty',
        ERROR,
        '{count} annotation(s) with labeled keypoints but an area of 0 or less: {ids}, of which '
        'AP would be wrong. Write it (of the segment or the box), or set use_area=False for '
        'CocoMetric',
    ),
    (
        'iscrowd',
        FATAL,
        '{count} annotation(s) whose iscrowd is neither 0 nor 1: {ids} ({first}). Write 0 or 1',
    ),
    (
        'segmentation',
        ERROR,
        '{count} annotation(s) with a malformed segmentation: {ids} ({first}), which bottom-up '
        'training draws. Write polygons [[x, y, ...]], run lengths or null',
    ),
    ('segmentation-empty', WARNING, '{count} annotation(s) with an empty segmentation: {ids}'),
    # detections
    ('no-detected-person', FATAL, '{first}'),
    (
        'detection-image',
        FATAL,
        '{count} image id(s) that are not in ann_file {what}: {ids}. Give the detections of these '
        'images',
    ),
    (
        'detection-values',
        FATAL,
        '{count} detection(s) whose bbox or score is not a finite number: {ids}. Write '
        '[x, y, width, height] and a score',
    ),
    (
        'detection-extent',
        FATAL,
        '{count} detection(s) whose bbox has a negative width or height: {ids} ({first}). Write '
        '[x, y, width, height]',
    ),
)
KINDS = {name: Kind(name, severity, template) for name, severity, template in _TABLE}
