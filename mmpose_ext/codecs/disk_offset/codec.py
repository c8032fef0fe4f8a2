# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Disk heatmaps, offsets and a body heatmap (StrongPose)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from mmpose_ext.codecs.base import BaseTorchCodec, flip_channels
from mmpose_ext.codecs.map_checks import is_checked_whole, refuse_non_finite
from mmpose_ext.codecs.setting_checks import check_size
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .cells import cell_pitch, cell_positions
from .decoding import DiskOffsetDecoder
from .drawing import disk_window, draw_disks, fill_offsets, put, put_offsets
from .kinematic_graph import COCO_EDGES, directed_edges, mirrored_edges
from .limb_hull import COCO_TRUNK, draw_limb_hulls
from .settings import DiskOffsetSettings

#: Number of cells handled at once while drawing. It bounds the memory (about 50 bytes each).
CELLS_AT_ONCE = 1 << 24


@KEYPOINT_CODECS.register_module()
class DiskOffset(BaseTorchCodec):
    """People as disk heatmaps, three kinds of offsets and a body heatmap (Section III).

    The codec draws these maps of ``map_size`` [w, h] cells. There are K keypoints, E edges and
    D = 2E directed edges (E from parent to child, then E back). Offsets are in input pixels, with x
    in channel 2 * i and y in 2 * i + 1:

    - ``heatmaps`` (B, K, h, w): 1 within R of the keypoint of any person, else 0.
    - ``short_offsets`` (B, 2K, h, w): in a keypoint's disk, they point to the keypoint. Where disks
      of several people overlap, they point to the nearest keypoint.
    - ``mid_offsets`` (B, 2D, h, w): in the disks of an edge's start keypoint, they point to the end
      keypoint of the same (nearest) person.
    - ``body_heatmaps`` (B, 1, h, w): 1 on people, including those without keypoints.
    - ``long_offsets`` (B, 2K, h, w): on a person, they point to each of this person's keypoints.
    - ``mid_weights`` (B, D, h, w), ``long_weights`` (B, K, h, w): 1 where the offsets above are
      defined (both keypoints are labeled) and ``loss_weights`` is 1. The heatmaps are the weights
      of the short offsets.
    - ``loss_weights`` (B, 1, h, w): 0 in crowd regions and in people without keypoints, else 1.
      The body heatmap's loss also counts where the body is 1.
    - ``keypoint_weights`` (B, N, K): 0 also for keypoints outside the image, which are not drawn.

    An offset that is not defined is 0.

    The transform :class:`PersonMasks` makes two inputs: the person at each cell
    (``instance_map``) and the cells that the loss excludes (``loss_mask``). Without them, a person
    is the hull of the limbs (:func:`draw_limb_hulls`) and the loss counts everywhere.

    Frame: corner pixels lie on corner cells (``align_corners``). Cell i of w lies at input pixel
    i * (W - 1) / (w - 1), so that the mirror image of a map is the map of the mirror image. The
    codec decodes maps of any size: the network's (51x51 of 401x401), or maps resized to the input.

    R does not scale with the person. In the paper, the maps have the input's size. This is the
    default here, but it is too much for a data worker (some 200 maps, 130 MB per image). Use
    ``draw_on_device``, or a smaller ``map_size``.

    Decoding (Sections III-C and III-D):

    1. Hough votes (:mod:`.voting`) of the whole batch, on the maps' device. Each position of a
       heatmap votes for the point to which its short offset leads, with its value over pi R^2. The
       votes are smoothed, and their local maxima are the candidates. The paper uses a "Gaussian
       filter with a threshold value of 1.0". We read this as a sigma of about 0.8 cells of
       ``vote_step`` pixels, which is 4 px, with maxima in windows of 25 px (the authors' code: 2 px
       on maps of the input's size, 20 px).
    2. Sampling (:mod:`.sampling`), also on the device. It follows the mid and long offsets of each
       candidate, refined twice (``refine_steps``) by the short offsets of the keypoint that they
       point to, as in training, and reads the candidate's body value. Only these values leave the
       device.
    3. Pose plotting (:class:`PosePlotter`), image by image. People grow from candidates, without a
       second start within ``seed_radius``. The body heatmap and the long offsets check, join and
       complete them.
    4. Confidence. A keypoint's score is the keypoint heatmap at the keypoint
       (``keypoint_score='heatmap'``), or this value times the OKS expected from the votes around
       the keypoint (``'expected_oks'``, the paper's final choice). It is 0 if no offset led to the
       keypoint. A person's score is the mean over all K. With ``nms='claimed'`` (Eq. 1, the
       "soft-NMS" of PersonLab and of the paper), a keypoint counts only if no better person has
       the same keypoint within ``nms_radius``. ``'hard_oks'`` drops people whose OKS with a better
       person is above ``nms_threshold``. ``'soft_oks'`` lowers their scores by
       exp(-OKS^2 / nms_threshold). People with a score of ``score_threshold`` or less are dropped.
       The size in OKS is that of the box around the found keypoints.

    :meth:`batch_decode` returns keypoints (N, K, 2), their scores (N, K) and the scores of the
    people (N,), the best first.

    Offsets cannot link two keypoints of a person that are within half a pixel of each other,
    because such a short offset counts as unknown (unknown offsets are drawn as 0).

    Args:
        input_size (Sequence[int]): Size of the network's input in [w, h].
        map_size (Sequence[int], optional): Size of the targets in [w, h] cells. Defaults to
            ``input_size``.
        draw_on_device (bool): See :class:`BaseTorchCodec`.
        **settings: The fields of :class:`DiskOffsetSettings` by name, for example ``radius=16``.

    Attributes:
        settings (DiskOffsetSettings): All settings, with their defaults.
        directed_edges (tuple[tuple[int, int], ...]): The 2E directed edges (start, end): E from
            parent to child, then E back.

    Raises:
        ValueError: If a setting is out of range.
        TypeError: If there is no such setting.
    """

    map_names = (
        'heatmaps',
        'body_heatmaps',
        'short_offsets',
        'mid_offsets',
        'long_offsets',
        'mid_weights',
        'long_weights',
        'loss_weights',
    )
    mask_names = ('mid_weights', 'long_weights', 'loss_weights')
    pixel_names = ('instance_map', 'loss_mask')
    auxiliary_encode_keys = {'instance_map', 'loss_mask'}

    def __init__(
        self,
        input_size: Sequence[int],
        map_size: Sequence[int] | None = None,
        draw_on_device: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, draw_on_device)
        size = self.input_size if map_size is None else map_size
        self.map_size = check_size('DiskOffset', 'map_size', size)
        self.settings = DiskOffsetSettings(self.input_size, **settings)
        self.radius = self.settings.radius
        self.edges = self.settings.edges
        if not self.edges:
            raise ValueError('DiskOffset: edges is empty, but people are put together along edges.')
        self.num_keypoints = self.settings.num_keypoints
        self.directed_edges = directed_edges(self.edges)
        self.decoder = DiskOffsetDecoder(self.settings)

    def make_constants(self) -> Maps:
        """Return the frame, the cells' positions, a disk's cells and the edges' two ends (D,)."""
        pitch = cell_pitch(self.input_size, self.map_size)
        return dict(
            pitch=pitch,
            window=disk_window(self.map_size, pitch, self.radius),
            last=torch.tensor(self.input_size) - 0.5,
            here=cell_positions(self.map_size, pitch),
            edge_starts=torch.tensor([start for start, _ in self.directed_edges]),
            edge_ends=torch.tensor([end for _, end in self.directed_edges]),
        )

    # -- drawing ----------------------------------------------------------------------------------

    def encode(
        self,
        keypoints: np.ndarray,
        keypoints_visible: np.ndarray | None = None,
        **auxiliary: np.ndarray | None,
    ) -> dict[str, np.ndarray]:
        """Encode one sample; see :meth:`BaseTorchCodec.encode`.

        Raises:
            ValueError: Also if ``instance_map`` names a person that the sample does not have. This
                is checked in the data worker, so that drawing does not wait for the device.
        """
        instance_map = auxiliary.get('instance_map')
        if instance_map is not None and np.size(instance_map):
            highest = int(np.max(instance_map))
            if highest > len(keypoints):
                raise ValueError(
                    f'{type(self).__name__}: instance_map names person {highest} but the sample '
                    f'has {len(keypoints)}. Draw it after people were dropped from the sample.'
                )
        return super().encode(keypoints, keypoints_visible, **auxiliary)

    def draw(
        self,
        keypoints: Tensor,
        weights: Tensor,
        instance_map: Tensor | None = None,
        loss_mask: Tensor | None = None,
    ) -> Maps:
        """Draw all targets of a batch (Section III-B), a few images at a time if they are large.

        Args:
            keypoints (Tensor): (B, N, K, 2) in input pixels.
            weights (Tensor): (B, N, K).
            instance_map (Tensor, optional): (B, 1, h, w) integers, 0 for nobody, n + 1 for
                person n. Defaults to the limbs' hull.
            loss_mask (Tensor, optional): (B, 1, h, w), 0 at the cells that the loss excludes.

        Returns:
            dict[str, Tensor]: The tensors in ``map_names`` and ``keypoint_weights`` (B, N, K).

        Raises:
            ValueError: If the number of keypoints is not K, or the size of the images is not
                ``map_size``.
        """
        self._check_drawing(keypoints, instance_map, loss_mask)
        fixed = self.constants(keypoints.device)
        inside = ((keypoints >= -0.5) & (keypoints <= fixed['last'])).all(-1)
        weights = weights * inside
        if instance_map is None:
            parts = (*self.edges, COCO_TRUNK) if self.edges == COCO_EDGES else self.edges
            pitch = fixed['pitch']
            instance_map = draw_limb_hulls(keypoints, weights > 0, self.map_size, pitch, parts)
        else:
            instance_map = instance_map[:, 0].long()
        maps = self._blank(len(keypoints), keypoints.device)
        maps['loss_weights'].fill_(1.0)
        if loss_mask is not None:
            maps['loss_weights'].copy_(loss_mask > 0)
        width, height = self.map_size
        in_windows = len(fixed['window']) * keypoints.shape[1] * len(self.directed_edges)
        cells = max(in_windows, self.num_keypoints * width * height)
        step = max(1, CELLS_AT_ONCE // max(1, cells))
        for first in range(0, len(keypoints), step):
            part = slice(first, first + step)
            self._draw_part(
                keypoints[part],
                weights[part] > 0,
                instance_map[part],
                {name: value[part] for name, value in maps.items()},
            )
        return dict(maps, keypoint_weights=weights)

    def _blank(self, num_images: int, device: torch.device) -> Maps:
        w, h = self.map_size
        k, d = self.num_keypoints, len(self.directed_edges)
        channels = dict(zip_equal(self.map_names, (k, 1, 2 * k, 2 * d, 2 * k, d, k, 1)))
        return {
            name: torch.zeros(num_images, number, h, w, device=device)
            for name, number in channels.items()
        }

    def _draw_part(self, points: Tensor, labeled: Tensor, instances: Tensor, maps: Maps) -> None:
        """Write all maps except ``loss_weights``, which this method reads, into blank maps."""
        fixed = self.constants(points.device)
        here, starts, ends = fixed['here'], fixed['edge_starts'], fixed['edge_ends']
        owner = instances.flatten(1)[:, None]  # (B, 1, h * w)
        maps['body_heatmaps'].flatten(2).copy_(owner > 0)
        if not points.shape[1]:
            return
        disks = draw_disks(
            points, labeled, self.map_size, fixed['pitch'], self.radius, fixed['window']
        )
        cell, own, position = disks
        put(maps['heatmaps'], cell, own.float())
        put_offsets(maps['short_offsets'], cell, own, points, position)

        counts = maps['loss_weights'].flatten(1) > 0
        known = own & counts.gather(1, cell.flatten(1)).view_as(cell)
        known = known[:, :, starts] & labeled[:, :, ends, None]
        cell, position = cell[:, :, starts], position[:, :, starts]
        put(maps['mid_weights'], cell, known.float())
        put_offsets(maps['mid_offsets'], cell, known, points[:, :, ends], position)

        owner = (owner - 1).expand(-1, self.num_keypoints, -1)
        person = owner.clamp(min=0)
        known = labeled.transpose(1, 2).gather(-1, person) & (owner >= 0) & counts[:, None]
        maps['long_weights'].flatten(2).copy_(known)
        fill_offsets(maps['long_offsets'], known, points, person, here)

    # -- decoding ---------------------------------------------------------------------------------

    def locate(self, maps: Maps) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Decode maps of any one size (B, C, h, w) to people (Sections III-C and III-D).

        Returns:
            tuple: B arrays each: keypoints (N, K, 2), scores (N, K) and people's scores (N,).

        Raises:
            ValueError: If the channels or sizes of the maps do not match, or an offset that the
                decoder follows is NaN or infinite.
        """
        self.check_maps(maps)
        try:
            return self.decoder(maps)
        except FloatingPointError:
            refuse_non_finite(
                type(self).__name__, {name: value.cpu().numpy() for name, value in maps.items()}
            )
            raise

    def finite_sum(self, maps: Maps, scores: list) -> Tensor:
        """Sum the maps except large offsets; the decoder checks those that it follows."""
        whole = [value for name, value in maps.items() if is_checked_whole(name, value.shape)]
        return sum(value.sum() for value in whole)

    def flip(self, maps: Maps, flip_indices: Sequence[int]) -> Maps:
        """Turn the maps of a mirrored input back: mirror, swap left and right, negate x-offsets.

        The partner of a directed edge is the edge between the mirrored keypoints.

        Args:
            maps (dict[str, Tensor]): Any of ``map_names``, (B, C, h, w).
            flip_indices (Sequence[int]): K, each keypoint's partner.

        Returns:
            dict[str, Tensor]: Maps of the same shapes.

        Raises:
            ValueError: If the channels do not match, or a mirrored edge is not in the graph.
        """
        edges = mirrored_edges(self.edges, flip_indices)
        flipped = {}
        for name, value in maps.items():
            if name in ('body_heatmaps', 'loss_weights'):
                flipped[name] = value.flip(-1)
                continue
            partners = edges if name.startswith('mid_') else flip_indices
            if name.endswith('offsets'):
                partners = [2 * i + axis for i in partners for axis in (0, 1)]
            flipped[name] = flip_channels(value, partners)
            if name.endswith('offsets'):
                flipped[name][:, 0::2] *= -1
        return flipped

    def check_maps(self, maps: Maps) -> None:
        """Check that the maps to decode have the channels of this graph, and one size.

        Raises:
            ValueError: If they do not.
        """
        k, d = self.num_keypoints, len(self.directed_edges)
        channels = dict(zip(self.map_names, (k, 1, 2 * k, 2 * d, 2 * k)))
        size = maps['heatmaps'].shape
        for name, number in channels.items():
            expected = (size[0], number, *size[2:])
            if maps[name].shape != expected:
                raise ValueError(
                    f'{type(self).__name__}: {name} must be {expected} (B, C, h, w) for '
                    f'{k} keypoints, got {tuple(maps[name].shape)}.'
                )

    def _check_drawing(
        self, keypoints: Tensor, instance_map: Tensor | None, loss_mask: Tensor | None
    ) -> None:
        num_keypoints = keypoints.shape[2]
        if num_keypoints != self.num_keypoints:
            raise ValueError(
                f'{type(self).__name__}: the kinematic graph has {self.num_keypoints} keypoints '
                f'but the sample has {num_keypoints}. Set edges to a tree of its keypoints.'
            )
        for name, value in (('instance_map', instance_map), ('loss_mask', loss_mask)):
            if value is not None and tuple(value.shape[:0:-1]) != (*self.map_size, 1):
                raise ValueError(
                    f'{type(self).__name__}: {name} must be of map_size {self.map_size} [w, h], '
                    f'got {tuple(value.shape[:0:-1])}. Give the transform that makes it the same '
                    'map_size.'
                )
