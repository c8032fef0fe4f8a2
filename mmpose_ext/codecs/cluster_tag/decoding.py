# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From multi-peak heatmaps and tags to people (Cluster-wise Learning Network, Section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmpose_ext.utils.sequences import zip_equal

from .grouping import group_by_tags
from .peaks import best_cells, refine_cells, top_peaks
from .places import find_references, match_places


class ClusterTagDecoder:
    """Decodes a batch of maps; see :class:`ClusterTag` for the steps and the settings.

    Args:
        clusters (Sequence[Sequence[int]]): C clusters of keypoint indices, in the order of places.
        sigma (float): Standard deviation of the Gaussians in cells.
        delta (float): The tags' spacing within a cluster.
        max_people (int): People found in an image, at most.
        score_threshold (float): Peaks must be higher.
        tag_threshold (float): How far outside a person's interval a tag may lie.
        nms_kernel (int): Edge of the window, in cells, whose maximum a peak must be; odd.
        order (Sequence[int], optional): The order in which clusters are matched.
        offset_tolerance (float, optional): Largest deviation from a joint's offset, in delta.
        fill_missing (bool): Whether to look for the joints without a peak.
        refine (bool): Whether to find keypoints between cells.
        reference_step (float, optional): References are multiples of it.

    Raises:
        ValueError: If the window's edge is not odd, or ``order`` does not hold each cluster once.
    """

    def __init__(
        self,
        clusters: Sequence[Sequence[int]],
        sigma: float,
        delta: float,
        max_people: int,
        score_threshold: float,
        tag_threshold: float,
        nms_kernel: int,
        order: Sequence[int] | None,
        offset_tolerance: float | None,
        fill_missing: bool,
        refine: bool,
        reference_step: float | None,
    ) -> None:
        if nms_kernel < 1 or nms_kernel % 2 == 0:
            raise ValueError(f'ClusterTag: nms_kernel must be odd, got {nms_kernel}.')
        if order is None:
            order = range(len(clusters))
        if sorted(order) != list(range(len(clusters))):
            raise ValueError(
                f'ClusterTag: order must hold each of the {len(clusters)} clusters once, got '
                f'{list(order)}.'
            )
        self.sigma = sigma
        self.delta = delta
        self.max_people = max_people
        self.score_threshold = score_threshold
        self.tag_threshold = tag_threshold
        self.nms_kernel = nms_kernel
        self.order = list(order)
        self.offset_tolerance = offset_tolerance
        self.fill_missing = fill_missing
        self.refine = refine
        self.reference_step = reference_step

        #: (C,), joints a cluster; and (K,), by slot: cluster after cluster, place after place.
        self.sizes = np.array([len(cluster) for cluster in clusters])
        self.slot_cluster = np.repeat(np.arange(len(clusters)), self.sizes)
        self.slot_place = np.concatenate([np.arange(size) for size in self.sizes])
        #: (K,), the difference of tags that counts as one
        self.unit = np.where(self.sizes[self.slot_cluster] > 1, delta, 1.0).astype(np.float32)
        self.first_slot = np.cumsum(self.sizes) - self.sizes
        #: (K,), the slot of each keypoint
        self.slot_of = np.argsort(np.concatenate([np.array(c) for c in clusters]))

    def __call__(self, heatmaps: Tensor, tags: Tensor) -> list[tuple[np.ndarray, ...]]:
        """Find the people in a batch of maps.

        Args:
            heatmaps (Tensor): (B, C, h, w).
            tags (Tensor): (B, C, h, w).

        Returns:
            list[tuple]: For each image keypoints (N, K, 2) float32 in cells, scores (N, K), 0 where
            a keypoint was not found, and people's scores (N,), from the highest down.
        """
        number = int(self.max_people * self.sizes.max())
        cells, values = top_peaks(heatmaps, tags, number, self.nms_kernel)
        peaks = torch.cat([values, cells[..., None]], -1).cpu().numpy()  # exact up to 2^24 cells
        people = [self.find_people(*np.moveaxis(image, -1, 0)) for image in peaks]
        return self.complete(heatmaps, tags, people)

    # -- on the host: people as cells --------------------------------------------------------------

    def find_people(
        self, scores: np.ndarray, tags: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Group an image's peaks (C, k): cells (N, K), -1 where missing, scores, references."""
        allowed = np.arange(scores.shape[1]) < self.max_people * self.sizes[:, None]
        good = np.isfinite(tags) & np.isfinite(scores) & (scores > self.score_threshold) & allowed
        cluster, rank = np.nonzero(good)
        scores, tags, cells = scores[good], tags[good], cells[good].astype(np.int64)
        person = group_by_tags(
            cluster, tags, scores, self.sizes, self.delta, self.tag_threshold, self.order
        )
        number = int(person.max(initial=-1)) + 1
        # one slot a peak: among those of its person and cluster in the order of the tags
        by_tag = np.lexsort((tags, cluster, person))
        key = person[by_tag] * len(self.sizes) + cluster[by_tag]
        numbers = np.arange(len(key))
        same = key[1:] == key[:-1]
        starts = np.concatenate([numbers[:1], np.where(same, 0, numbers[1:])])
        ranks = numbers - np.maximum.accumulate(starts)
        slot = self.first_slot[cluster[by_tag]] + ranks
        table = np.full((number, len(self.slot_cluster)), -1)
        table[person[by_tag], slot] = by_tag
        found, references = self._identify(table, tags)
        kept = np.flatnonzero((found >= 0).any(1))
        found, references = found[kept], references[kept]
        person_scores = np.where(found >= 0, scores[found], 0) if len(scores) else found + 0.0
        order = np.argsort(-person_scores.mean(1), kind='stable')[: self.max_people]
        found, person_scores = found[order], person_scores[order].astype(np.float32)
        found_cells = np.where(found >= 0, cells[found], -1) if len(cells) else found
        return found_cells, person_scores, references[order]

    def _identify(self, table: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give each peak its joint.

        Args:
            table (np.ndarray): (N, K), the peaks' numbers by slot, in a cluster's first slots and
                in the order of their tags; -1 for none.
            tags (np.ndarray): (P,), the peaks'.

        Returns:
            tuple: The table with the peaks at their joints' slots, and the references (N,).
        """
        present = table >= 0
        if not len(table):
            return table, np.zeros(0)
        tags = np.where(present, tags[table], 0).astype(np.float64)
        if self.sizes.max() == 1:
            return table, tags.sum(1) / present.sum(1)
        sizes = self.sizes[self.slot_cluster]
        references = find_references(
            tags, present, sizes, self.slot_cluster, self.delta, self.reference_step
        )
        offsets = (tags - references[:, None]) / self.delta
        places = np.round(offsets)
        clash = present & ((places < 0) | (places >= sizes))
        same = (self.slot_cluster[1:] == self.slot_cluster[:-1]) & present[:, 1:]
        clash[:, 1:] |= same & (places[:, 1:] == places[:, :-1])
        places = np.clip(places, 0, sizes - 1).astype(np.int64)
        for n, c in {(n, self.slot_cluster[s]) for n, s in zip_equal(*clash.nonzero())}:
            first = self.first_slot[c]
            slots = first + np.flatnonzero(present[n, first : first + self.sizes[c]])
            places[n, slots] = match_places(
                tags[n, slots], references[n], self.sizes[c], self.delta
            )
        if self.offset_tolerance is not None:
            fits = np.abs(offsets - places) <= self.offset_tolerance
            present &= fits | (sizes == 1)
        found = np.full_like(table, -1)
        n, slot = present.nonzero()
        found[n, self.first_slot[self.slot_cluster[slot]] + places[n, slot]] = table[n, slot]
        return found, references

    # -- on the device: missing joints, places between cells ---------------------------------------

    def complete(
        self, heatmaps: Tensor, tags: Tensor, people: list[tuple[np.ndarray, ...]]
    ) -> list[tuple[np.ndarray, ...]]:
        """Fill in what is missing and refine all keypoints of a batch, given as slots' cells."""
        device, (h, w) = heatmaps.device, heatmaps.shape[-2:]
        counts = [len(image[0]) for image in people]
        cells, scores, references = (np.concatenate(part) for part in zip_equal(*people))
        image = np.repeat(np.arange(len(people)), counts)
        maps = image[:, None] * len(self.sizes) + self.slot_cluster
        person_scores = scores.mean(1)
        missing = (cells < 0).nonzero()
        heatmaps, tags = heatmaps.reshape(-1, h, w), tags.reshape(-1, h, w)
        if self.fill_missing and len(missing[0]):
            slots = missing[1]
            wanted = references[missing[0]] + self.slot_place[slots] * self.delta
            asked = np.stack([wanted, self.unit[slots]]).astype(np.float32)
            filled = best_cells(
                heatmaps,
                tags,
                torch.from_numpy(maps[missing]).to(device),
                *torch.from_numpy(asked).to(device),
            )
            cells[missing], scores[missing] = torch.stack(filled).cpu().numpy()
        found = cells >= 0
        points = np.zeros((*cells.shape, 2), dtype=np.float32)
        if self.refine and found.any():
            chosen = torch.from_numpy(np.stack([maps[found], cells[found]])).to(device)
            same = torch.from_numpy(self.unit[found.nonzero()[1]]).to(device) * 0.5
            refined = refine_cells(heatmaps, tags, *chosen, same, self.sigma)
            points[found] = refined.cpu().numpy()
        else:
            points[found] = np.stack([cells[found] % w, cells[found] // w], -1)
        points, scores = points[:, self.slot_of], scores[:, self.slot_of]
        completed, end = [], 0
        for count in counts:
            start, end = end, end + count
            completed.append((points[start:end], scores[start:end], person_scores[start:end]))
        return completed
