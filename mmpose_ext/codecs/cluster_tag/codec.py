# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Multi-peak heatmaps and tags of keypoint clusters (Cluster-wise Learning Network)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor
from torch.nn.functional import interpolate

from mmpose_ext.codecs.base import BaseTorchCodec
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.metainfo import COCO_METAINFO, keypoint_names, load_metainfo
from mmpose_ext.utils.sequences import zip_equal

from .clusters import DEFAULT_CLUSTERS, make_clusters, mirror_clusters
from .decoding import ClusterTagDecoder
from .settings import ClusterTagSettings


@KEYPOINT_CODECS.register_module()
class ClusterTag(BaseTorchCodec):
    """People as one multi-peak Gaussian heatmap and one tag map per cluster (Sec. 3.2 and 3.3).

    Drawn maps, with [w, h] = ``heatmap_size``, C clusters, N people and K keypoints:

    - ``heatmaps`` (B, C, h, w) float32: at each cell, the largest Gaussian of all people and of all
      keypoints in the cluster. A Gaussian is centered on the keypoint itself, not on its cell. It
      reaches 3 sigma beyond the cell (as in mmpose's UDP heatmaps).
    - ``keypoint_indices`` (B, N, K) int64: the keypoint's cell y * w + x in the map of its
      cluster, where the tag is trained; 0 where ``keypoint_weights`` is 0.
    - ``keypoint_weights`` (B, N, K): also 0 for a keypoint whose cell lies outside the map. The
      part of its Gaussian that reaches into the map is still drawn.
    - ``heatmap_weights`` (B, 1, h, w) float32: 0 where the detection loss is left out, else 1. It
      comes from the auxiliary input ``loss_mask`` of :class:`PersonMasks` (crowds and people
      without keypoints), resized if its size differs. Without that input it is 1 everywhere.

    All people are drawn, even if there are more than ``max_people``.

    Predicted maps: ``heatmaps`` and ``tags``, (B, C, h, w) each. With K clusters of one joint these
    are the maps of associative embedding.

    Frame: a cell's center is the center of the S x S pixels that it covers, where S is the stride:
    cell i is input pixel (i + 0.5) * S - 0.5. The mirror image of a map is then the map of the
    mirror image, and maps of any size are decoded with the same stride. (UDP's frame, in which the
    corners agree, would be off by 1.5 px to either side at the borders for a network that treats
    all places alike.) Use mmpose's ``BottomupResize`` and ``BottomupRandomAffine`` as they are,
    without UDP.

    How Eq. 4 is read here: the tag of keypoint k is its person's reference embedding plus
    d_k * delta, where d_k is the keypoint's place in its cluster. As printed, Eq. 4 adds the offset
    to the mean of the cluster's tags. All keypoints of a cluster then get the same gradient, and
    nothing distinguishes them.

    Decoding runs on the maps' device up to the peaks, and again from step 5:

    1. Find the highest local maxima of each map above ``score_threshold``, up to ``max_people``
       times the cluster's joints (Section 3.2), and read their tags.
    2. Group peaks into people across clusters by their tags
       (:func:`.grouping.group_by_tags`).
    3. Take as each person's reference embedding the one that fits the tags of all its peaks best.
       Each peak's joint is the place in the cluster that matches its offset from the reference.
       Peaks that claim the same place, or none, are matched to places optimally.
    4. Reject a peak from this person if its offset deviates by more than ``offset_tolerance``
       (Section 3.3: "checking whether the difference between two tags satisfies the offset
       setting").
    5. Place each missing joint at the cell with the right tag and the highest heatmap, as in
       associative embedding. In a cluster of several joints the right tag is the joint's own,
       within half a delta. This separates two joints whose Gaussians merge into one peak. If no
       cell has a tag within half a ``tag_threshold``, the best one is another person's: the joint
       is then not found. Its score is 0, and it lies in the middle of the person's keypoints.
    6. Refine keypoints to the top of the Gaussian around them (:class:`.GaussianFit`). Neighbors
       whose tags show that they belong to another keypoint's Gaussian are not used.

    A person's score is the mean of the heatmap at its peaks, with 0 for missing ones (before step
    5). If there are more than ``max_people`` people, those with the highest scores are kept. An
    image without people returns empty arrays.

    Only keypoints present at a first and at a last place, in any clusters, exclude a shift of all
    of a person's places. The order of the presets makes that likely. With perfect maps and tags
    of some 200 COCO images (512x512, 128x128) the AP is 0.99 with 17 clusters, 0.99 with 5, 0.95
    with 3 and 0.82 with 1. ``reference_step`` removes the ambiguity for a model that was trained
    with it (our addition, not the paper's): 0.987 or more throughout. The remaining errors are
    keypoints of one cluster that share a cell.

    Args:
        input_size (tuple[int, int]): Size of the network's input in [w, h].
        heatmap_size (tuple[int, int]): Size of the maps in [w, h], input_size / 4 in the paper.
        clusters (int | list[list[str | int]]): The partition of the keypoints, see
            :func:`make_clusters`. Defaults to 17.
        metainfo (str): The data set's meta information, which names the keypoints: a path in
            mmpose's configs or a file. Defaults to COCO's.
        draw_on_device (bool): See :class:`BaseTorchCodec`.
        **settings: Further fields of :class:`ClusterTagSettings` by name, for example ``sigma=2``.

    Attributes:
        settings (ClusterTagSettings): All settings, with their defaults.
        num_keypoints (int): K.
        num_clusters (int): C.
        cluster_of (Tensor): (K,) int64, each keypoint's cluster.
        place_in_cluster (Tensor): (K,) int64, each keypoint's place d_k, from 0.

    Raises:
        ValueError: If a setting is out of range, or the clusters are not a partition of the data
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
        clusters: int | Sequence[Sequence[str | int]] = DEFAULT_CLUSTERS,
        metainfo: str = COCO_METAINFO,
        draw_on_device: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(input_size, draw_on_device)
        names = keypoint_names(load_metainfo(dict(from_file=metainfo)))
        self.clusters = make_clusters(clusters, names)
        members = tuple(map(tuple, self.clusters))
        size: Any = heatmap_size
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
        """Return the stride, the last cell, the patch's cells and each keypoint's cluster."""
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

        Each keypoint's Gaussian is a square patch with an edge of 6 sigma + 1 cells, the outer
        product of one Gaussian along x and one along y. All patches are written at once, and the
        largest value wins.

        Args:
            keypoints (Tensor): (B, N, K, 2) float32 in input pixels.
            weights (Tensor): (B, N, K) float32, 0 where unlabeled.
            loss_mask (Tensor, optional): (B, 1, H, W), 0 where the detection loss is left out.

        Returns:
            dict[str, Tensor]: See the class.

        Raises:
            ValueError: If the number of keypoints differs from the data set's.
        """
        if keypoints.shape[2] != self.num_keypoints:
            raise ValueError(
                f'ClusterTag: the samples have {keypoints.shape[2]} keypoints, the clusters '
                f'{self.num_keypoints}: metainfo must be that of the data set.'
            )
        fixed = self.constants(keypoints.device)
        points = (keypoints + 0.5) / fixed['stride'] - 0.5
        # no patch reaches the map from further away, and the index of a cell could overflow
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
        """Average the heatmaps with those of the mirror image, and append the mirror image's tags.

        A person's reference embedding is a different number in the mirror image, so the tags of the
        two passes cannot be averaged. Together they form a vector, as in the public code of
        associative embedding. If a cluster has several joints, only the tags of the upright input
        are kept, since in the mirror image a keypoint has the offset of its partner.

        Args:
            maps (dict[str, Tensor]): ``heatmaps`` and ``tags``, (B, C, h, w) each.
            flipped (dict[str, Tensor]): The same of the mirrored input.
            flip_indices (Sequence[int]): K indices, the left-right partner of each keypoint.

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
        """Average the heatmaps of several scales of an input, and concatenate their tags.

        All are resized to the largest maps, edge to edge (Newell et al., NIPS 2017: heatmaps are
        averaged across scales, and the tags at a position become a vector).

        Args:
            scales (Sequence[dict[str, Tensor]]): Each scale's ``heatmaps`` (B, C, h, w) and
                ``tags`` (B, T * C, h, w).
            with_tags (Sequence[int], optional): Indices of the scales whose tags are kept. Defaults
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
            keypoint was not found, and scores of the people (N,), in descending order.

        Raises:
            ValueError: If the maps' channels, or the sizes of the two maps, do not agree.
        """
        heatmaps, tags = maps['heatmaps'], maps['tags']
        whole = tags.shape[1] > 0 and tags.shape[1] % self.num_clusters == 0
        same = heatmaps.shape[2:] == tags.shape[2:] and len(heatmaps) == len(tags)
        if heatmaps.shape[1] != self.num_clusters or not whole or not same:
            raise ValueError(
                f'ClusterTag: heatmaps {tuple(heatmaps.shape)} and tags {tuple(tags.shape)} must '
                f'both be (B, {self.num_clusters}, h, w), one channel per cluster (and per pass '
                'for tags).'
            )
        parts = zip_equal(*self.decoder(heatmaps, tags))
        return tuple(map(list, parts))  # type: ignore[return-value]


def _resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps (B, C, h, w), edge to edge."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return interpolate(maps, size, mode='bilinear', align_corners=False)
