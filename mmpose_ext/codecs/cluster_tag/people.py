# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From peaks to people, in pure numpy (Cluster-wise Learning Network, Section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .grouping import group_by_tags
from .places import find_references, match_places
from .refinement import GaussianFit
from .settings import ClusterTagSettings


class MapReader(Protocol):
    """The interface through which :class:`PeopleFinder` reads a batch's maps, on any device.

    Maps are numbered across the batch: cluster c of image b has map b * C + c.
    """

    #: The maps' size in cells, [w, h].
    size: tuple[int, int]

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the cells where missing keypoints are most likely.

        Args:
            maps (np.ndarray): (P,) int64, the map to search for each keypoint.
            wanted (np.ndarray): (P, T) float32, the keypoint's tag in each pass.
            unit (np.ndarray): (P,) float32, the tag difference that counts as one.

        Returns:
            tuple: cells (P,), y * w + x, the heatmap there (P,), and how many units the tag there
            differs (P,), rounded.
        """

    def read_cells(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read heatmaps and tags.

        Args:
            cells (np.ndarray): (P, S) int64, (map * h + y) * w + x.

        Returns:
            tuple: the heatmap (P, S) and the tags of each pass (T, P, S), float32.
        """


class PeopleFinder:
    """Finds the people of a batch from its peaks; see :class:`ClusterTag` for the steps.

    Args:
        settings (ClusterTagSettings): The settings.
    """

    def __init__(self, settings: ClusterTagSettings) -> None:
        self.settings = settings
        clusters, delta, threshold = settings.clusters, settings.delta, settings.tag_threshold
        #: (C,), joints per cluster; and (K,), by slot: cluster after cluster, place after place.
        self.sizes = np.array(settings.sizes)
        self.slot_cluster = np.repeat(np.arange(len(clusters)), self.sizes)
        self.slot_place = np.concatenate([np.arange(size) for size in self.sizes])
        #: (K,), the difference of tags that counts as one
        self.unit = np.where(self.sizes[self.slot_cluster] > 1, delta, threshold)
        self.unit = self.unit.astype(np.float32)
        self.first_slot = np.cumsum(self.sizes) - self.sizes
        #: (K,), the slot of each keypoint
        self.slot_of = np.argsort(np.concatenate([np.array(c) for c in clusters]))
        # next to other joints of its cluster, a Gaussian is whole near its top only
        self.fit = GaussianFit(settings.sigma, reach=2.0 if self.sizes.max() == 1 else 1.0)
        self.stride = np.float32(settings.input_size) / np.float32(settings.heatmap_size)

    def __call__(self, peaks: np.ndarray, reader: MapReader) -> list[tuple[np.ndarray, ...]]:
        """Find the people of a batch.

        Args:
            peaks (np.ndarray): (B, C, k, 2 + T), each map's peaks in descending order: heatmap
                value, cell y * w + x, and the tags of T passes.
            reader (MapReader): Reads the maps.

        Returns:
            list[tuple]: For each image keypoints (N, K, 2) float32 in input pixels, scores (N, K),
            0 where a keypoint was not found, and scores of the people (N,), in descending order.
        """
        groups = [self.group(image[..., 0], image[..., 2:], image[..., 1]) for image in peaks]
        return self.complete(groups, reader)

    def group(
        self, scores: np.ndarray, tags: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Group an image's peaks.

        Args:
            scores (np.ndarray): (C, k), the heatmap values at the peaks, in descending order.
            tags (np.ndarray): (C, k, T).
            cells (np.ndarray): (C, k), y * w + x.

        Returns:
            tuple: The cells (N, K) by slot, -1 where a keypoint is missing, the scores (N, K), and
            the references of the people (N, T).
        """
        s = self.settings
        allowed = np.arange(scores.shape[1]) < s.max_people * self.sizes[:, None]
        good = (
            np.isfinite(tags).all(-1) & np.isfinite(scores) & (scores > s.score_threshold) & allowed
        )
        cluster, _ = np.nonzero(good)
        scores, tags, cells = scores[good], tags[good], cells[good].astype(np.int64)
        person = group_by_tags(cluster, tags, scores, s)
        number = int(person.max(initial=-1)) + 1
        # one slot per peak: ordered by tag among the slots of its person and cluster
        by_tag = np.lexsort((tags.mean(1), cluster, person))
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
        order = np.argsort(-person_scores.mean(1), kind='stable')[: s.max_people]
        found, person_scores = found[order], person_scores[order].astype(np.float32)
        found_cells = np.where(found >= 0, cells[found], -1) if len(cells) else found
        return found_cells, person_scores, references[order]

    def complete(
        self, people: Sequence[tuple[np.ndarray, ...]], reader: MapReader
    ) -> list[tuple[np.ndarray, ...]]:
        """Fill in missing keypoints and refine all keypoints of a batch.

        Args:
            people (Sequence[tuple]): For each image the result of :meth:`group`.
            reader (MapReader): Reads the maps.

        Returns:
            list[tuple]: As in :meth:`__call__`.
        """
        counts = [len(image[0]) for image in people]
        cells, scores, references = (np.concatenate(part) for part in zip(*people))
        image = np.repeat(np.arange(len(people)), counts)
        maps = image[:, None] * len(self.sizes) + self.slot_cluster
        person_scores = scores.mean(1)
        missing = (cells < 0).nonzero()
        if self.settings.fill_missing and len(missing[0]):
            slots = missing[1]
            offsets = self.slot_place[slots] * self.settings.delta
            wanted = references[missing[0]] + offsets[:, None]
            unit = self.unit[slots]
            filled, heights, apart = reader.best_cells(
                maps[missing], wanted.astype(np.float32), unit
            )
            own = apart * unit < self.settings.tag_threshold * 0.5
            cells[missing], scores[missing] = np.where(own, filled, -1), heights * own
        found = cells >= 0
        width = reader.size[0]
        points = np.stack(np.divmod(cells, width)[::-1], -1).astype(np.float32)
        if self.settings.refine and found.any():
            tolerance = self.unit[found.nonzero()[1]] * np.float32(0.5)
            points[found] += self.tops(reader, maps[found], cells[found], tolerance)
        if not found.all():
            middle = (points * found[..., None]).sum(1) / found.sum(1)[:, None]
            points = np.where(found[..., None], points, middle[:, None])
        points = (points[:, self.slot_of] + 0.5) * self.stride - 0.5
        scores = scores[:, self.slot_of]
        images = [slice(end - n, end) for n, end in zip(counts, np.cumsum(counts).tolist())]
        return [(points[own], scores[own], person_scores[own]) for own in images]

    def tops(
        self, reader: MapReader, maps: np.ndarray, cells: np.ndarray, tolerance: np.ndarray
    ) -> np.ndarray:
        """Find the tops (P, 2) of keypoints' Gaussians, relative to their cells (P,).

        Cells whose tag differs from the keypoint's by more than the tolerance (P,) belong to
        another keypoint's Gaussian.
        """
        w, h = reader.size
        x = (cells % w)[:, None] + self.fit.ticks
        y = (cells // w)[:, None] + self.fit.ticks
        inside = ((y >= 0) & (y < h))[:, :, None] & ((x >= 0) & (x < w))[:, None]
        rows = (maps[:, None] * h + y.clip(0, h - 1)) * w
        window = rows[:, :, None] + x.clip(0, w - 1)[:, None]  # (P, E, E)
        values, tags = reader.read_cells(window.reshape(len(cells), -1))
        usable = inside.reshape(values.shape)
        usable &= rms(tags - tags[..., values.shape[1] // 2, None]) <= tolerance[:, None]
        return self.fit(values, usable)

    def _identify(self, table: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Assign each peak to its joint.

        Args:
            table (np.ndarray): (N, K), indices of the peaks by slot. They fill a cluster's first
                slots in the order of their tags; -1 means no peak.
            tags (np.ndarray): (P, T), the tags of the peaks.

        Returns:
            tuple: The table with the peaks at their joints' slots, and the references (N, T).
        """
        present = table >= 0
        if not len(table):
            return table, np.zeros((0, tags.shape[1]))
        vectors = np.where(present[..., None], tags[table], 0).astype(np.float64)
        means = vectors.sum(1) / present.sum(1)[:, None]
        if self.sizes.max() == 1:
            return table, means
        tags = vectors.mean(-1)  # an offset moves the tags of all passes alike
        s, sizes = self.settings, self.sizes[self.slot_cluster]
        references = find_references(
            tags, present, sizes, self.slot_cluster, s.delta, s.reference_step
        )
        offsets = (tags - references[:, None]) / s.delta
        places = np.round(offsets)
        clash = present & ((places < 0) | (places >= sizes))
        same = (self.slot_cluster[1:] == self.slot_cluster[:-1]) & present[:, 1:]
        clash[:, 1:] |= same & (places[:, 1:] == places[:, :-1])
        places = np.clip(places, 0, sizes - 1).astype(np.int64)
        person, cluster = np.logical_or.reduceat(clash, self.first_slot, axis=1).nonzero()
        if len(person):
            ticks = np.arange(self.sizes.max())
            inside = ticks < self.sizes[cluster][:, None]
            slots = np.where(inside, self.first_slot[cluster][:, None] + ticks, 0)
            person = person[:, None]
            peak = present[person, slots] & inside
            matched = match_places(offsets[person, slots], peak, self.sizes[cluster])
            places[np.broadcast_to(person, slots.shape)[peak], slots[peak]] = matched[peak]
        if s.offset_tolerance is not None:
            fits = np.abs(offsets - places) <= s.offset_tolerance
            present &= fits | (sizes == 1)
        found = np.full_like(table, -1)
        n, slot = present.nonzero()
        found[n, self.first_slot[self.slot_cluster[slot]] + places[n, slot]] = table[n, slot]
        return found, references[:, None] + means - means.mean(1, keepdims=True)


def rms(differences: np.ndarray) -> np.ndarray:
    """Return the root mean square over the first axis, the passes."""
    if len(differences) == 1:
        return np.abs(differences[0])
    return np.sqrt(np.square(differences).mean(0))
