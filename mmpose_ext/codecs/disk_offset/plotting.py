# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Join one image's keypoint candidates to people (StrongPose, Section III-C)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .kinematic_graph import edges_from
from .settings import DiskOffsetSettings


class Candidates(NamedTuple):
    """The P candidates of one image, one per row; see :class:`~.sampling.Samples`."""

    keypoint: np.ndarray  #: (P,) int64, the keypoint k
    position: np.ndarray  #: (P, 2) in input pixels
    score: np.ndarray  #: (P,), from the strong keypoint heatmap
    ends: np.ndarray  #: (P, X, 2), NaN where unknown
    end_scores: np.ndarray  #: (P, X)
    far: np.ndarray  #: (P, K, 2), NaN where unknown
    body: np.ndarray  #: (P,)


class Poses(NamedTuple):
    """The F people of an image."""

    keypoints: np.ndarray  #: (F, K, 2) float32 in input pixels, finite throughout
    found: np.ndarray  #: (F, K) bool, whether it is a candidate
    placed: np.ndarray  #: (F, K) bool, whether it is found or an offset led there


class PosePlotter:
    """Grow people from candidates along the kinematic graph, and join their parts.

    1. Links. For each edge of the graph, a candidate of its start keypoint and one of its end
       keypoint fit if the offset of each leads within ``snap_radius`` of the other. They are linked
       if each is the other's best (the smallest sum of both distances). All edges, both directions
       and all candidates are compared at once. Links are one to one, so no keypoint is used twice.
    2. Queue. Candidates are processed by score, the highest first. A candidate is skipped if it
       already belongs to a person, or lies within ``seed_radius`` of the same keypoint of a person
       (a second maximum in the same disk). Otherwise, a new person starts from it, whatever its
       keypoint, and grows along the links.
    3. Body check. A person is dropped if the mean of the body heatmap at the person's candidates is
       below ``body_threshold``.
    4. Body rescue. The graph tears if a joint in between is hidden or unlabeled. A candidate votes
       on joining its part with another if its own long offset leads back to itself within
       ``join_radius``, because the body there is then this person's, not that of somebody in front.
       For each candidate of the other part, it votes in favor if its long offset leads within
       ``join_radius`` of that candidate, and against otherwise. Parts without a common keypoint are
       joined if at least half of the votes are in favor, those with the most agreement first.
    5. Missing keypoints. A missing keypoint goes where the offset of a found neighbor leads, if
       the keypoint heatmap there reaches ``vote_threshold``. Otherwise, it goes where a long offset
       leads, that of the nearest candidate in the graph among those that vote in step 4. If there
       is none, it goes to the nearest found keypoint.

    Args:
        settings (DiskOffsetSettings): The radii, the thresholds and the kinematic graph.
    """

    def __init__(self, settings: DiskOffsetSettings) -> None:
        self.settings = settings
        edges = settings.edges
        outgoing = edges_from(edges, settings.num_keypoints)
        self.slots = len(outgoing[0])
        self.starts = np.array([start for start, _ in edges])
        self.finishes = np.array([end for _, end in edges])
        number = range(len(edges))
        self.forward = np.array([outgoing[edges[i][0]].index(i) for i in number])
        self.backward = np.array([outgoing[edges[i][1]].index(i + len(edges)) for i in number])
        #: The keypoint at the end of each slot: K lists of at most X, without padding.
        ends = [end for _, end in edges] + [start for start, _ in edges]
        self.kinds = [[ends[e] for e in row if e >= 0] for row in outgoing]
        self.order = _graph_order(self.kinds)

    def __call__(self, candidates: Candidates) -> Poses:
        """Plot the poses of one image, in the order in which they were started."""
        candidates = keep_best(candidates, self.settings.max_candidates)
        table = _Table(candidates, self.settings.num_keypoints)
        links = self._link(table)
        people = self._grow(table, links)
        if self.settings.body_threshold > 0:
            people = self._check_body(table, people)
        if self.settings.rescue and len(people) > 1:
            people = self._join(table, people)
        return self._fill(table, people)

    def _link(self, table: _Table) -> np.ndarray:
        """Return the row of the candidate linked to each candidate and slot (K, M, X), or -1."""
        start, end = self.starts, self.finishes
        ahead = table.ends[start, :, self.forward]  # (E, M, 2)
        back = table.ends[end, :, self.backward]
        there = _distances(ahead, table.position[end])  # (E, M, M)
        here = _distances(table.position[start], back)
        with np.errstate(invalid='ignore'):
            fits = (there <= self.settings.snap_radius) & (here <= self.settings.snap_radius)
        cost = np.where(fits, there + here, np.inf)
        links = np.full((*table.score.shape, self.slots), -1)
        if cost.size:
            best_end, best_start = cost.argmin(2), cost.argmin(1)
            edge, i = np.nonzero(np.isfinite(cost.min(2)))
            j = best_end[edge, i]
            mutual = best_start[edge, j] == i
            edge, i, j = edge[mutual], i[mutual], j[mutual]
            links[start[edge], i, self.forward[edge]] = j
            links[end[edge], j, self.backward[edge]] = i
        return links

    def _grow(self, table: _Table, links: np.ndarray) -> np.ndarray:
        """Return people as rows of candidates (F, K), -1 for missing keypoints."""
        width = table.score.shape[1]
        flat = links.reshape(-1, self.slots).tolist()
        position = table.position.reshape(-1, 2).tolist()
        used = set()
        people: list[list[int]] = []
        limit = self.settings.seed_radius**2
        for seed in table.queue.tolist():
            if seed in used:
                continue
            kind = seed // width
            x, y = position[seed]
            if any(
                person[kind] >= 0
                and (position[kind * width + person[kind]][0] - x) ** 2
                + (position[kind * width + person[kind]][1] - y) ** 2
                <= limit
                for person in people
            ):
                continue
            person = [-1] * self.settings.num_keypoints
            person[kind] = seed - kind * width
            used.add(seed)
            stack = [seed]
            while stack:
                here = stack.pop()
                row = flat[here]
                for slot, end in enumerate(self.kinds[here // width]):
                    if row[slot] >= 0 and person[end] < 0:
                        person[end] = row[slot]
                        there = end * width + row[slot]
                        used.add(there)
                        stack.append(there)
            people.append(person)
            if len(people) == self.settings.max_people:
                break
        return np.array(people, dtype=np.int64).reshape(-1, self.settings.num_keypoints)

    def _check_body(self, table: _Table, people: np.ndarray) -> np.ndarray:
        found = people >= 0
        body = table.of(table.body, people) * found
        return people[body.sum(1) >= self.settings.body_threshold * found.sum(1)]

    def _join(self, table: _Table, people: np.ndarray) -> np.ndarray:
        found = (people >= 0).astype(np.float32)
        apart = np.triu(found @ found.T == 0, 1)
        if not apart.any():
            return people
        concerned = apart.any(0) | apart.any(1)
        owner, kind = np.nonzero((people >= 0) & concerned[:, None])
        row = people[owner, kind]
        position, far = table.position[kind, row], table.far[kind, row]
        trusted = table.trusted(self.settings.join_radius)[kind, row]
        # agree[i, j]: the long offset of candidate i leads to candidate j
        with np.errstate(invalid='ignore'):
            distance = np.square(far[:, kind, 0] - position[:, 0])
            distance += np.square(far[:, kind, 1] - position[:, 1])
            agree = distance <= self.settings.join_radius**2
        agree &= trusted[:, None]
        belongs = (owner == np.arange(len(people))[:, None]).astype(np.float32)  # (F, P)
        votes = belongs @ agree @ belongs.T
        cast = (belongs @ trusted)[:, None] * belongs.sum(1)
        votes, cast = votes + votes.T, cast + cast.T
        with np.errstate(invalid='ignore', divide='ignore'):
            share = np.where(apart & (cast > 0), votes / cast, 0)
        first, second = np.nonzero(share >= 0.5)
        best = np.argsort(-share[first, second], kind='stable')
        joined = np.arange(len(people))
        people = people.copy()
        for i, j in zip(first[best].tolist(), second[best].tolist()):
            i, j = joined[i], joined[j]
            if i != j and not ((people[i] >= 0) & (people[j] >= 0)).any():
                i, j = min(i, j), max(i, j)
                people[i] = np.maximum(people[i], people[j])
                joined[joined == j] = i
        return people[np.unique(joined)]

    def _fill(self, table: _Table, people: np.ndarray) -> Poses:
        number, kinds = people.shape
        found = people >= 0
        keypoints = table.of(table.position, people)
        placed = found.copy()
        every = np.arange(kinds)
        # the end of a found neighbor's edge with the highest score
        best = np.full(people.shape, self.settings.vote_threshold)
        for kind, ends in enumerate(self.kinds):
            for slot, end in enumerate(ends):
                row = people[:, kind]
                score = np.where(row >= 0, table.end_scores[kind, row, slot], -1)
                better = ~found[:, end] & (score >= best[:, end])
                best[better, end] = score[better]
                keypoints[better, end] = table.ends[kind, row[better], slot]
                placed[better, end] = True
        # the long offset of the nearest trusted keypoint
        nearest = self.order  # (K, K)
        known = found & table.of(table.trusted(self.settings.join_radius), people)
        far = table.of(table.far, people)[:, nearest, every[:, None]]  # (F, K, K, 2)
        usable = known[:, nearest] & np.isfinite(far[..., 0])
        choice = usable.argmax(2)
        missing, kind = np.nonzero(~placed & usable.any(2))
        keypoints[missing, kind] = far[missing, kind, choice[missing, kind]]
        placed[missing, kind] = True
        # the nearest found keypoint itself
        person, kind = np.nonzero(~placed)
        source = nearest[kind, found[:, nearest][person, kind].argmax(-1)]
        keypoints[person, kind] = keypoints[person, source]
        return Poses(keypoints.astype(np.float32).reshape(number, kinds, 2), found, placed)


class _Table:
    """Candidates by keypoint as arrays (K, M, ...), the best first."""

    def __init__(self, candidates: Candidates, num_keypoints: int) -> None:
        order = np.lexsort((-candidates.score, candidates.keypoint))
        kind = candidates.keypoint[order]
        counts = np.bincount(kind, minlength=num_keypoints)
        row = np.arange(len(kind)) - (np.cumsum(counts) - counts)[kind]
        self.width = int(counts.max()) if len(kind) else 0
        self.shape = (num_keypoints, self.width)

        def spread(values: np.ndarray, blank: float) -> np.ndarray:
            table = np.full((*self.shape, *values.shape[1:]), blank, np.float32)
            table[kind, row] = values[order]
            return table

        self.position = spread(candidates.position, np.nan)
        self.score = spread(candidates.score, 0)
        self.ends = spread(candidates.ends, np.nan)
        self.end_scores = spread(candidates.end_scores, 0)
        self.far = spread(candidates.far, np.nan)
        self.body = spread(candidates.body, 0)
        place = kind * self.width + row
        #: The candidates' places k * M + row, the highest score first.
        self.queue = place[np.argsort(-candidates.score[order], kind='stable')]

    def of(self, values: np.ndarray, people: np.ndarray) -> np.ndarray:
        """Return the values (F, K, ...) of people's candidates; undefined for missing ones."""
        return values[np.arange(self.shape[0]), people]

    def trusted(self, radius: float) -> np.ndarray:
        """Return whether the own long offset of each candidate leads back to itself (K, M)."""
        every = np.arange(self.shape[0])
        own = self.far[every, :, every]
        with np.errstate(invalid='ignore'):
            return np.square(own - self.position).sum(-1) <= radius**2


def keep_best(candidates: Candidates, number: int) -> Candidates:
    """Keep the best candidates of each keypoint, at most ``number``."""
    kind = candidates.keypoint
    if not len(kind) or np.bincount(kind).max() <= number:
        return candidates
    order = np.lexsort((-candidates.score, kind))
    counts = np.bincount(kind)
    rank = np.arange(len(kind)) - (np.cumsum(counts) - counts)[kind[order]]
    return Candidates(*(values[order[rank < number]] for values in candidates))


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the distances (E, M, M) between points (E, M, 2) and (E, M, 2)."""
    return np.sqrt(np.square(one[:, :, None] - other[:, None]).sum(-1))


def _graph_order(kinds: list[list[int]]) -> np.ndarray:
    """Return all keypoints for each keypoint (K, K), the nearest in the graph first."""
    order = []
    for start in range(len(kinds)):
        reached = [start]
        for here in reached:
            reached += [end for end in kinds[here] if end not in reached]
        order.append(reached)
    return np.array(order)
