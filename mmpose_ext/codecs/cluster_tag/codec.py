# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Multi-peak heatmaps and tags of keypoint clusters (Cluster-wise Learning Network)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor
from torch.nn.functional import interpolate

from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .clusters import make_clusters, mirror_clusters
from .decoding import ClusterTagDecoder
from .settings import ClusterTagSettings

COCO = 'configs/_base_/datasets/coco.py'


@KEYPOINT_CODECS.register_module()
class ClusterTag(BaseTorchCodec):
    """People as one multi-peak Gaussian heatmap and one tag map a cluster (Sections 3.2 and 3.3).

    Drawn, with [w, h] = ``heatmap_size``, C clusters, N people and K keypoints:

    - ``heatmaps`` (B, C, h, w) float32: the largest Gaussian of all people and of all the
      cluster's keypoints at each cell. A Gaussian's centre is the keypoint itself, not its cell;
      it reaches 3 sigma beyond the cell (as mmpose's UDP heatmaps).
    - ``keypoint_indices`` (B, N, K) int64: the keypoint's cell y * w + x in the map of its
      cluster, where the tag is trained; 0 where ``keypoint_weights`` is 0.
    - ``keypoint_weights`` (B, N, K): 0 also for a keypoint whose cell lies outside the map. Its
      Gaussian is drawn as far as it reaches into the map.
    - ``heatmap_weights`` (B, 1, h, w) float32: 0 where the detection loss is left out, else 1. From
      the auxiliary input ``loss_mask`` of :class:`PersonMasks` (crowds and people without
      keypoints), resized where it has another size; 1 throughout without it.

    All people are drawn, also more than ``max_people``.

    Predicted: ``heatmaps`` and ``tags``, (B, C, h, w) each. With K clusters of one joint these are
    associative embedding's.

    Frame: a cell's centre is that of the S x S pixels below it, S the stride: cell i is input pixel
    (i + 0.5) * S - 0.5. The mirror image of a map is then the map of the mirror image, and maps of
    any size are decoded with the same stride. (UDP's frame, in which the corners agree, would be
    off by 1.5 px to either side at the borders for a network that treats all places alike.) Use
    mmpose's ``BottomupResize`` and ``BottomupRandomAffine`` as they are, without UDP.

    The reading of Eq. 4: the tag of keypoint k is its person's reference embedding plus
    d_k * delta, d_k being the keypoint's place in its cluster. As printed, Eq. 4 adds the offset to
    the mean of the cluster's tags, which gives all keypoints of a cluster the same gradient, so
    that nothing would tell them apart.

    Decoding, on the maps' device up to the peaks and again from 5:

    1. The highest local maxima of each map, ``max_people`` times the cluster's joints (Section
       3.2), above ``score_threshold``, and their tags.
    2. Peaks are grouped into people across clusters by their tags
       (:func:`.grouping.group_by_tags`).
    3. Each person's reference embedding is the one that the tags of all its peaks fit best. Each
       peak's joint is the place in the cluster whose offset from the reference it has; peaks that
       claim the same place, or none, are matched to places optimally.
    4. A peak whose offset deviates by more than ``offset_tolerance`` is no joint of this person
       (Section 3.3: "checking whether the difference between two tags satisfies the offset
       setting").
    5. Missing joints take the cell with the right tag and the highest heatmap, as in associative
       embedding. In a cluster of several joints the right tag is the joint's own, within half a
       delta; so two joints whose Gaussians merge to one peak are told apart again.
    6. Keypoints are refined to the top of the Gaussian between cells, without the neighbours whose
       tags tell that they belong to another keypoint's Gaussian.

    A person's score is the mean of the heatmap at its peaks, 0 for missing ones (before 5). Of more
    than ``max_people`` people those with the highest scores are kept. An image without a person
    gives arrays of no people.

    A shift of all of a person's places is excluded by nothing but a first and a last place that
    are present, in any clusters; the presets' orders make that likely. With perfect maps and tags
    of some 200 COCO images (512x512, 128x128) the AP is 0.99 with 17 clusters, 0.98 with 5, 0.94
    with 3 and 0.81 with 1. ``reference_step`` removes the doubt for a model that was trained with
    it (ours, not the paper's): 0.98 or more throughout. The rest are keypoints of one cluster that
    share a cell.

    Args:
        input_size (tuple[int, int]): Size of the network's input in [w, h].
        heatmap_size (tuple[int, int]): Size of the maps in [w, h], a quarter of it in the paper.
        clusters (int | list[list[str | int]]): The partition of the keypoints, see
            :func:`make_clusters`. Defaults to 17.
        metainfo (str): The data set's meta information, from which the keypoints' names are taken:
            a path in mmpose's configs or a file. Defaults to COCO's.
        draw_on_device (bool): See :class:`BaseTorchCodec`.
        **settings: Further fields of :class:`ClusterTagSettings` by name, for example ``sigma=2``.

    Attributes:
        settings (ClusterTagSettings): All settings, with their defaults.
        num_keypoints (int): K.
        num_clusters (int): C.
        cluster_of (Tensor): (K,) int64, each keypoint's cluster.
        place_in_cluster (Tensor): (K,) int64, each keypoint's place d_k, from 0.

    Raises:
        ValueError: If a setting is out of its range, or the clusters are no partition of the data
            set's keypoints.
        TypeError: If there is no such setting.
    """

    map_names = ('heatmaps', 'heatmap_weights')
    decoded_names = ('heatmaps', 'tags')
    pixel_names = ('loss_mask',)
    auxiliary_encode_keys = {'loss_mask'}
    label_names = ('keypoint_indices',)

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        clusters: int | Sequence[Sequence[str | int]] = 17,
        metainfo: str = COCO,
        draw_on_device: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, draw_on_device)
        info = parse_pose_metainfo(dict(from_file=metainfo))
        names = [info['keypoint_id2name'][k] for k in range(info['num_keypoints'])]
        self.clusters = make_clusters(clusters, names)
        size: Any = tuple(heatmap_size)
        members = tuple(map(tuple, self.clusters))
        self.settings = ClusterTagSettings(self.input_size, size, members, **settings)
        self.heatmap_size = self.settings.heatmap_size
        self.sigma = self.settings.sigma
        self.delta = self.settings.delta
        self.reference_step = self.settings.reference_step
        self.num_keypoints = len(names)
        self.num_clusters = len(self.clusters)
        self.cluster_of = torch.zeros(self.num_keypoints, dtype=torch.long)
        self.place_in_cluster = torch.zeros(self.num_keypoints, dtype=torch.long)
        for c, cluster in enumerate(self.clusters):
            self.cluster_of[cluster] = c
            self.place_in_cluster[cluster] = torch.arange(len(cluster))
        self.decoder = ClusterTagDecoder(self.settings)

    def make_constants(self) -> Maps:
        """The stride, the last cell, the patch's cells and each keypoint's cluster."""
        (w, h), (width, height) = self.heatmap_size, self.input_size
        reach = int(3 * self.sigma)
        return dict(
            stride=torch.tensor([width / w, height / h]),
            last=torch.tensor([w - 1, h - 1]),
            patch=torch.arange(-reach, reach + 1),
            cluster_of=self.cluster_of,
        )

    def draw(self, keypoints: Tensor, weights: Tensor, loss_mask: Tensor | None = None) -> Maps:
        """Draw heatmaps, heatmap_weights, keypoint_indices and keypoint_weights.

        Each keypoint's Gaussian is a patch of 6 sigma + 1 cells squared, the outer product of one
        along x and one along y; all patches are written at once, the largest value winning.

        Args:
            keypoints (Tensor): (B, N, K, 2) float32 in input pixels.
            weights (Tensor): (B, N, K) float32, 0 where unlabelled.
            loss_mask (Tensor, optional): (B, 1, H, W), 0 where the detection loss is left out.

        Returns:
            dict[str, Tensor]: See the class.

        Raises:
            ValueError: If the number of keypoints is not the data set's.
        """
        if keypoints.shape[2] != self.num_keypoints:
            raise ValueError(
                f'ClusterTag: the samples have {keypoints.shape[2]} keypoints, the clusters '
                f'{self.num_keypoints}: metainfo must be that of the data set.'
            )
        fixed = self.constants(keypoints.device)
        points = (keypoints + 0.5) / fixed['stride'] - 0.5
        # from further away no patch reaches the map, and a cell's number could overflow
        far = int(3 * self.sigma) + 2
        points = torch.minimum(points.clamp_(min=-far), fixed['last'] + far)
        cells = points.add(0.5).floor_().long()
        inside = ((cells >= 0) & (cells <= fixed['last'])).all(-1)
        w, h = self.heatmap_size
        indices = (cells[..., 1] * w + cells[..., 0]) * (inside & (weights > 0))
        return dict(
            heatmaps=self._draw_patches(points, cells, weights),
            heatmap_weights=self._draw_mask(keypoints, loss_mask),
            keypoint_indices=indices,
            keypoint_weights=weights * inside,
        )

    def _draw_patches(self, points: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
        """Draw the Gaussians (B, N, K) around points in cells (B, N, K, 2): (B, C, h, w)."""
        fixed = self.constants(points.device)
        batch, (w, h) = len(points), self.heatmap_size
        covered = cells[..., None] + fixed['patch']  # (B, N, K, 2, S)
        gaussians = (covered - points[..., None]).square_().mul_(-0.5 / self.sigma**2).exp_()
        gaussians *= (covered >= 0) & (covered <= fixed['last'][:, None])
        gaussians *= (weights > 0)[..., None, None]
        x, y = torch.minimum(covered.clamp_(min=0), fixed['last'][:, None]).unbind(-2)
        channels = torch.arange(batch, device=points.device)[:, None] * self.num_clusters
        channels = (channels + fixed['cluster_of'])[:, None, :, None]
        index = ((channels * h + y) * w)[..., :, None] + x[..., None, :]
        values = gaussians[..., 1, :, None] * gaussians[..., 0, None, :]
        heatmaps = points.new_zeros(batch * self.num_clusters * h * w)
        heatmaps.scatter_reduce_(0, index.flatten(), values.flatten(), 'amax')
        return heatmaps.view(batch, self.num_clusters, h, w)

    def _draw_mask(self, keypoints: Tensor, loss_mask: Tensor | None) -> Tensor:
        w, h = self.heatmap_size
        if loss_mask is None:
            return keypoints.new_ones(len(keypoints), 1, h, w)
        mask = loss_mask.float()
        if mask.shape[-2:] != (h, w):
            mask = interpolate(mask, (h, w), mode='bilinear', align_corners=False)
        return (mask > 0.5).float()

    def merge_flipped(self, maps: Maps, flipped: Maps, flip_indices: Sequence[int]) -> Maps:
        """Average the heatmaps with those of the mirror image, and put its tags after the others.

        A person's reference embedding is another number in the mirror image, so the tags of the two
        passes cannot be averaged: together they are a vector, as in the public code of associative
        embedding. Where a cluster has several joints, only the upright input's tags are kept, since
        a keypoint has the offset of its partner in the mirror image.

        Args:
            maps (dict[str, Tensor]): ``heatmaps`` and ``tags``, (B, C, h, w) each.
            flipped (dict[str, Tensor]): The same of the mirrored input.
            flip_indices (Sequence[int]): K, each keypoint's left-right partner.

        Returns:
            dict[str, Tensor]: ``heatmaps`` (B, C, h, w) and ``tags`` (B, 2 * C, h, w), or
            (B, C, h, w) where a cluster has several joints.

        Raises:
            ValueError: If a cluster's mirror image is not a cluster.
        """
        flipped = self.flip(flipped, flip_indices)
        tags = maps['tags']
        if self.num_clusters == self.num_keypoints:
            tags = torch.cat([tags, flipped['tags']], 1)
        return dict(heatmaps=(maps['heatmaps'] + flipped['heatmaps']) * 0.5, tags=tags)

    def merge_scales(self, scales: Sequence[Maps], with_tags: Sequence[int] | None = None) -> Maps:
        """Average the heatmaps of several scales of an input, and put their tags after each other.

        All are resized to the largest maps, edge to edge (Newell et al., NIPS 2017: heatmaps are
        averaged across scales, and the tags at a position become a vector).

        Args:
            scales (Sequence[dict[str, Tensor]]): Each scale's ``heatmaps`` (B, C, h, w) and
                ``tags`` (B, T * C, h, w).
            with_tags (Sequence[int], optional): Numbers of the scales whose tags are kept. Defaults
                to all.

        Returns:
            dict[str, Tensor]: Maps of the largest size; tags of all passes.
        """
        size = max((maps['heatmaps'].shape[-2:] for maps in scales), key=math.prod)
        tagged = range(len(scales)) if with_tags is None else with_tags
        heatmaps = sum(_resized(maps['heatmaps'], size) for maps in scales) / len(scales)
        tags = torch.cat([_resized(scales[n]['tags'], size) for n in tagged], 1)
        return dict(heatmaps=heatmaps, tags=tags)

    def flip(self, maps: Maps, flip_indices: Sequence[int]) -> Maps:
        """Mirror maps (B, C, h, w) and swap each cluster with its mirror image.

        Raises:
            ValueError: If a cluster's mirror image is not a cluster.
        """
        mirrored = mirror_clusters(self.clusters, flip_indices)
        if mirrored is None:
            raise ValueError(
                "ClusterTag: a flip test needs clusters whose keypoints' left-right partners form "
                'a cluster again, which these do not. Set flip_test=False, or choose other '
                'clusters.'
            )
        return {name: value[:, mirrored].flip(-1) for name, value in maps.items()}

    def locate(self, maps: Maps) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Find the people in maps ``heatmaps`` (B, C, h, w) and ``tags`` (B, T * C, h, w).

        The tags may be those of T passes of the network, one after another.

        Returns:
            tuple: Lists of B arrays, keypoints (N, K, 2) in input pixels, scores (N, K), 0 where a
            keypoint was not found, and people's scores (N,), from the highest down.

        Raises:
            ValueError: If the maps' channels, or the sizes of the two, do not agree.
        """
        heatmaps, tags = maps['heatmaps'], maps['tags']
        whole = tags.shape[1] > 0 and tags.shape[1] % self.num_clusters == 0
        same = heatmaps.shape[2:] == tags.shape[2:] and len(heatmaps) == len(tags)
        if heatmaps.shape[1] != self.num_clusters or not whole or not same:
            raise ValueError(
                f'ClusterTag: heatmaps {tuple(heatmaps.shape)} and tags {tuple(tags.shape)} must '
                f'both be (B, {self.num_clusters}, h, w), one channel a cluster (tags: and a pass).'
            )
        parts = zip_equal(*self.decoder(heatmaps, tags))
        return tuple(map(list, parts))  # type: ignore[return-value]


def _resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps (B, C, h, w), edge to edge."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return interpolate(maps, size, mode='bilinear', align_corners=False)
