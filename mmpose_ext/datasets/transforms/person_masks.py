# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw maps of the person at each cell and of the cells that the loss excludes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import pycocotools.mask as coco_mask
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_ext.codecs.disk_offset.kinematic_graph import COCO_EDGES
from mmpose_ext.codecs.disk_offset.limb_hull import COCO_TRUNK, HALF_WIDTH, LEAST_HALF_WIDTH

_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws at
#: Largest radius of a limb in input pixels: OpenCV's lines are at most 32767 wide.
_MOST_RADIUS = 16_000.0


@TRANSFORMS.register_module()
class PersonMasks(BaseTransform):
    """Draw the people's segments, and the regions without annotated keypoints, into maps.

    StrongPose (Sections III-B and III-E) needs it: its body heatmap and long offsets depend on the
    person at a position, and its loss excludes positions in crowd regions and in people without
    keypoints. Only the body heatmap learns from people without keypoints that they are people, as
    in the authors' code. Place the transform after mmpose's ``BottomupRandomAffine`` and
    ``RandomFlip``, in this order, and before ``GenerateTarget``.

    A person's segment is the COCO segmentation (polygons or RLE). **If a person has keypoints but
    no segmentation, the hull of its limbs replaces it**: the trunk's quadrilateral and a capsule
    around each of the 16 edges whose ends are labeled, with a radius of 0.05 of the diagonal of
    the labeled keypoints' box, at least ``least_radius``. The trunk and the 16 edges are COCO's;
    for other keypoints the limbs are ``limbs``, or the skeleton of the data set's metainfo
    (``skeleton_links``), without a trunk. For a crowd, or a person without keypoints, that has no
    segmentation, the whole box is excluded, and nobody is drawn in it.

    If segments overlap, the cell belongs to the person with the smaller box. Ignore regions
    (PoseTrack's, with people who are not annotated) are excluded from the loss like crowds.

    Frame: the input's corner pixels lie on the maps' corner cells (``align_corners``): cell i of w
    lies at input pixel i * (W - 1) / (w - 1), and takes the segment of the nearest pixel. COCO's
    polygons put the first pixel's center at 0.5, its keypoints at 0.

    After mmpose's ``KeypointConverter`` the metainfo's skeleton does not match the keypoints: set
    ``limbs``, like the codec's ``edges``.

    Required keys: img, raw_ann_info, keypoints, keypoints_visible, flip_indices; warp_mat, flip,
    flip_direction, dataset_name, skeleton_links and ignore_regions (polygons (P, 2) in pixels of
    the image) where present. Added keys:

    - ``instance_map`` (h, w) int16: 0 for nobody, n + 1 for person n in the keypoints' order, with
      or without keypoints; crowds are nobody. Not with ``instance_map=False``.
    - ``loss_mask`` (h, w) uint8: 0 where keypoints are not annotated (crowds, people without
      keypoints) and the loss is left out, else 1.

    Args:
        map_size (Sequence[int]): [w, h] of the maps.
        least_radius (float): Smallest radius of a limb in input pixels. Defaults to 4.
        limbs (Sequence[tuple[int, int]], optional): Pairs of the sample's keypoints; empty for
            disks around keypoints only. Defaults to COCO's or the metainfo's.
        instance_map (bool): Whether to draw ``instance_map``; limbs are needed only for it.
            Defaults to True.

    Raises:
        ValueError: If a map has fewer than 2 cells per side. With a sample: if there are no limbs,
            after a perspective warp, a flip that is not horizontal or ``BottomupResize`` (which
            moves no keypoints), and if the keypoints have not moved with the image.
    """

    def __init__(
        self,
        map_size: Sequence[int],
        least_radius: float = LEAST_HALF_WIDTH,
        limbs: Sequence[tuple[int, int]] | None = None,
        instance_map: bool = True,
    ) -> None:
        super().__init__()
        if len(map_size) != 2 or min(map_size) < 2:
            raise ValueError(f'PersonMasks: map_size must be [w, h] of 2 or more, got {map_size}.')
        self.map_size = (int(map_size[0]), int(map_size[1]))
        self.least_radius = least_radius
        self.limbs = None if limbs is None else [tuple(limb) for limb in limbs]
        self.instance_map = instance_map

    def transform(self, results: dict) -> dict:
        """Add ``instance_map`` and ``loss_mask``.

        Args:
            results (dict): A bottom-up sample with N people.

        Returns:
            dict: ``results`` with both maps.
        """
        img = results['img']
        height, width = (img[0] if isinstance(img, list) else img).shape[:2]
        people = results.get('raw_ann_info') or []
        num_keypoints = len(results.get('flip_indices', range(len(COCO_EDGES) + 1)))
        keypoints = np.asarray(results.get('keypoints', np.zeros((0, num_keypoints, 2))))
        labeled = np.asarray(results.get('keypoints_visible', np.zeros(keypoints.shape[:2]))) > 0
        if labeled.ndim == 3:
            labeled = labeled[..., 0]
        if len(people) != len(keypoints):
            raise ValueError(
                f'PersonMasks: {len(people)} annotations but keypoints of {len(keypoints)} people. '
                "Use a bottom-up data set (data_mode='bottomup') and leave its people as they are."
            )
        limbs, trunk = self._limbs(results, keypoints.shape[1]) if self.instance_map else ((), ())
        matrix = self._image_to_input(results, width)
        self._check_matrix(matrix, people, keypoints, labeled, results)
        order, known = _by_size(people), labeled.any(1).tolist()
        cells = tuple(_cell_pixels(self.map_size[i], (width, height)[i]) for i in (1, 0))
        if self.instance_map:
            instances = np.zeros((height, width), np.int16)
            for number in order:
                person = people[number]
                if person.get('iscrowd', 0):
                    continue
                outline = person.get('segmentation')
                if not _draw_segmentation(instances, number + 1, outline, matrix) and known[number]:
                    one = keypoints[number], labeled[number]
                    _draw_limbs(instances, number + 1, *one, self.least_radius, limbs, trunk)
            results['instance_map'] = _at(instances, *cells)
        unknown = [people[n] for n in order if people[n].get('iscrowd', 0) or not known[n]]
        regions = results.get('ignore_regions', ())
        results['loss_mask'] = np.ones(self.map_size[::-1], np.uint8)
        if unknown or len(regions):
            excluded = _excluded(unknown, regions, matrix, (height, width))
            results['loss_mask'] -= _at(excluded, *cells)
        return results

    def _limbs(self, results: dict, num_keypoints: int) -> tuple[Sequence, Sequence]:
        """Return the limbs and the trunk's corners of a sample's keypoints."""
        limbs = self.limbs
        is_coco = results.get('dataset_name', 'coco') == 'coco'
        if limbs is None and is_coco and num_keypoints == len(COCO_EDGES) + 1:
            return COCO_EDGES, COCO_TRUNK
        if limbs is None and num_keypoints > 1 and _annotated_keypoints(results) == num_keypoints:
            limbs = results.get('skeleton_links')
        if any(max(limb) >= num_keypoints for limb in limbs or ()):
            raise ValueError(
                f'PersonMasks: the limbs {limbs} are of more than the {num_keypoints} keypoints of '
                'the sample. Set limbs to pairs of its keypoints.'
            )
        if not limbs and self.limbs is None and num_keypoints > 1:
            raise ValueError(
                f'PersonMasks: the limbs of these {num_keypoints} keypoints are not known, since '
                'the metainfo has no skeleton or KeypointConverter changed the keypoints. Set '
                "limbs to pairs of keypoints, such as the codec's edges (limbs=[]: only disks "
                'around keypoints), or instance_map=False where the codec takes loss_mask only.'
            )
        return limbs or (), ()

    def _image_to_input(self, results: dict, width: int) -> np.ndarray:
        """Return the (3, 3) float64 matrix from pixels of the image file to those of the input."""
        matrix = np.eye(3)
        if 'input_scale' in results:
            raise ValueError(
                'PersonMasks: BottomupResize moves the image but no keypoints. Use '
                'BottomupRandomAffine, with probabilities of 0 for a plain resize.'
            )
        warp = results.get('warp_mat')
        if warp is not None:
            matrix[: len(warp)] = warp
        if warp is not None and len(warp) > 2 and not np.allclose(matrix[2], (0, 0, 1)):
            raise ValueError(
                'PersonMasks: a perspective warp bends the masks. Use '
                "BottomupRandomAffine(transform_mode='affine')."
            )
        if results.get('flip', False):
            if results.get('flip_direction') != 'horizontal':
                raise ValueError(
                    f'PersonMasks: the image was flipped {results.get("flip_direction")}; only '
                    "RandomFlip(direction='horizontal') is known."
                )
            matrix = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
        return matrix

    def _check_matrix(
        self,
        matrix: np.ndarray,
        people: list[dict],
        keypoints: np.ndarray,
        labeled: np.ndarray,
        results: dict,
    ) -> None:
        """Check that the annotations, moved by the matrix, are the sample's keypoints."""
        if not labeled.any():
            return
        original = np.array([person['keypoints'] for person in people], np.float64)
        original = original.reshape(len(people), -1, 3)
        if original.shape[1] != keypoints.shape[1]:
            return  # KeypointConverter or the data set has changed them, it is not known how
        original = original[..., :2]
        if results.get('flip', False):
            original = original[:, results['flip_indices']]
        moved = _transform(original[labeled], matrix)
        rounding = 1e-5 * np.abs(moved)  # the precision of float32 far outside the image
        error = (np.abs(moved - keypoints[labeled]) - rounding).max()
        if error > 0.5:
            raise ValueError(
                f'PersonMasks: the keypoints are up to {error:.1f} px away from where warp_mat and '
                'flip take the annotation. Place it after BottomupRandomAffine and RandomFlip, in '
                'this order; where an input is not square, mmpose mirrors keypoints wrongly.'
            )


def _annotated_keypoints(results: dict) -> int:
    """Return K of the file's annotations, or the metainfo's for a sample without people."""
    for person in results.get('raw_ann_info') or ():
        return len(person['keypoints']) // 3
    return len(results.get('flip_indices', ()))


def _by_size(people: list[dict]) -> list[int]:
    """Return the indices of the people, the largest box first."""
    areas = [person['bbox'][2] * person['bbox'][3] for person in people]
    return sorted(range(len(people)), key=lambda number: -areas[number])


@lru_cache(maxsize=None)
def _cell_pixels(cells: int, pixels: int) -> np.ndarray | slice:
    """Return the nearest pixel of each cell along one axis, as a slice if all steps are equal."""
    step, rest = divmod(pixels - 1, cells - 1)
    if step and not rest:
        return slice(None, None, step)
    return np.rint(np.arange(cells) * (pixels - 1) / (cells - 1)).astype(np.intp)


def _at(canvas: np.ndarray, rows: np.ndarray | slice, columns: np.ndarray | slice) -> np.ndarray:
    """Return the pixels of a canvas in these rows and columns."""
    return np.ascontiguousarray(canvas[rows][:, columns])


def _excluded(
    people: list[dict], regions: Sequence[np.ndarray], matrix: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Draw people and regions (P, 2) of the image into a map (h, w) uint8 of the input."""
    canvas = np.zeros(shape, np.uint8)
    for person in people:
        if not _draw_segmentation(canvas, 1, person.get('segmentation'), matrix):
            _draw_box(canvas, 1, person['bbox'], matrix)
    for region in regions:
        _fill(canvas, 1, _transform(region, matrix))
    return canvas


def _transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _draw_segmentation(
    canvas: np.ndarray, value: int, segmentation: list | dict | None, matrix: np.ndarray
) -> bool:
    """Draw polygons or an RLE; return False if there is nothing to draw."""
    if isinstance(segmentation, dict) and segmentation.get('counts'):
        height, width = segmentation['size']
        if isinstance(segmentation['counts'], list):
            segmentation = coco_mask.frPyObjects(segmentation, height, width)
        mask = coco_mask.decode(segmentation)
        size = canvas.shape[1], canvas.shape[0]
        canvas[cv2.warpAffine(mask, matrix[:2], size, flags=cv2.INTER_NEAREST) > 0] = value
        return True
    if not isinstance(segmentation, (list, tuple)):
        return False
    drawn = False
    for polygon in segmentation:
        if len(polygon) >= 6:
            points = np.asarray(polygon, np.float64).reshape(-1, 2) - 0.5
            _fill(canvas, value, _transform(points, matrix))
            drawn = True
    return drawn


def _draw_box(canvas: np.ndarray, value: int, box: Sequence[float], matrix: np.ndarray) -> None:
    x, y, w, h = box
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64) - 0.5
    _fill(canvas, value, _transform(corners, matrix))


def _draw_limbs(
    canvas: np.ndarray,
    value: int,
    keypoints: np.ndarray,
    labeled: np.ndarray,
    least: float,
    limbs: Sequence[Sequence[int]],
    trunk: Sequence[int],
) -> None:
    """Draw the hull of a person's limbs; keypoints (K, 2) in input pixels, labeled (K,)."""
    points = keypoints[labeled]
    diagonal = math.hypot(*(points.max(0) - points.min(0)).tolist())
    radius = min(max(least, HALF_WIDTH * diagonal), _MOST_RADIUS)
    trunk = [corner for corner in trunk if labeled[corner]]
    if len(trunk) > 2:
        _fill(canvas, value, keypoints[trunk])
    fixed, known = (
        _fixed_point(np.where(labeled[:, None], keypoints, 0)).tolist(),
        labeled.tolist(),
    )
    thickness = max(1, round(2 * radius))
    for start, end in limbs:
        if known[start] and known[end]:
            cv2.line(canvas, fixed[start], fixed[end], value, thickness, shift=_SHIFT)
    for center, is_known in zip(fixed, known):
        if is_known:
            cv2.circle(canvas, center, round(radius * 2**_SHIFT), value, -1, shift=_SHIFT)


def _fill(canvas: np.ndarray, value: int, points: np.ndarray) -> None:
    cv2.fillPoly(canvas, [_fixed_point(points)], value, shift=_SHIFT)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points.clip(-1e5, 1e5) * 2**_SHIFT).astype(np.int32)
