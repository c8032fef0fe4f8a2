# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The settings of the cluster-wise network's codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..setting_checks import check_fields, check_size, check_whole


@dataclass(frozen=True)
class ClusterTagSettings:
    """Settings of :class:`ClusterTag`. To add one, add a field here and use it.

    Exported models hold these fields as JSON, and contain this module. It needs no packages.

    Args:
        input_size (tuple[int, int]): Size of the network's input in pixels, [w, h].
        heatmap_size (tuple[int, int]): Size of the maps in cells, [w, h], a quarter of the input in
            the paper.
        clusters (tuple[tuple[int, ...], ...]): C clusters of keypoint indices, in the order of
            their places.
        sigma (float): Standard deviation of the Gaussians in cells. Defaults to 2.
        delta (float): The tags' spacing within a cluster. Defaults to 0.03.
        max_people (int): Maximum number of people found in an image. Defaults to 30.
        score_threshold (float): Minimum height of a peak (exclusive). Defaults to 0.2, as in the
            public code of associative embedding.
        tag_threshold (float): How far a tag may lie from the tags that a person can have and still
            belong to this person. It is also the tag difference that counts as one where such
            differences are rounded. Defaults to 5, for the loss's default margin of 4 between
            people's references. Associative embedding, whose margin is 0.707, uses 1.
        nms_kernel (int, optional): Edge of the window, in cells, in which a peak must be the
            maximum; odd. Defaults to None: 7 if all clusters have one joint, where noise makes
            several peaks of one keypoint, and 3 if not, where peaks of different joints are close.
        order (tuple[int, ...], optional): The order in which clusters are matched where tags alone
            do not separate people. Defaults to the order in which they are listed.
        offset_tolerance (float, optional): Largest deviation from a joint's offset, in delta. None
            disables the check. Defaults to 0.5.
        fill_missing (bool): Whether to search for the joints without a peak. Defaults to True.
        refine (bool): Whether to locate keypoints between cells. Defaults to True.
        reference_step (float, optional): Reference embeddings are multiples of it. Defaults to
            None: any numbers.

    Raises:
        ValueError: If a setting is no finite number, whole number or switch where it should be, or
            is out of its range.
    """

    codec: ClassVar[str] = 'ClusterTag'

    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    clusters: tuple[tuple[int, ...], ...]
    sigma: float = 2.0
    delta: float = 0.03
    max_people: int = 30
    score_threshold: float = 0.2
    tag_threshold: float = 5.0
    nms_kernel: int | None = None
    order: tuple[int, ...] | None = None
    offset_tolerance: float | None = 0.5
    fill_missing: bool = True
    refine: bool = True
    reference_step: float | None = None

    def __post_init__(self) -> None:
        clusters = tuple(tuple(int(k) for k in cluster) for cluster in self.clusters)
        object.__setattr__(self, 'clusters', clusters)
        order = range(len(clusters)) if self.order is None else self.order
        order = tuple(check_whole(self.codec, 'a cluster in order', c, least=0) for c in order)
        object.__setattr__(self, 'order', order)
        if self.nms_kernel is None:
            object.__setattr__(self, 'nms_kernel', 7 if max(self.sizes) == 1 else 3)
        for name in ('input_size', 'heatmap_size'):
            size = check_size(self.codec, name, getattr(self, name), least=2)
            object.__setattr__(self, name, size)
        positive = ('sigma', 'delta', 'tag_threshold', 'reference_step')
        check_fields(self, above_0=positive, least_0=('offset_tolerance',))
        self._check()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of joints in each cluster."""
        return tuple(len(cluster) for cluster in self.clusters)

    @property
    def peaks_per_map(self) -> int:
        """Maximum number of peaks per map: those of ``max_people`` in the largest cluster."""
        return self.max_people * max(self.sizes)

    def _check(self) -> None:
        assert self.order is not None and self.nms_kernel is not None  # __post_init__ has set them
        if self.nms_kernel % 2 == 0:
            raise ValueError(f'ClusterTag: nms_kernel must be odd, got {self.nms_kernel}.')
        if sorted(self.order) != list(range(len(self.clusters))):
            raise ValueError(
                f'ClusterTag: order must hold each of the {len(self.clusters)} clusters once, got '
                f'{list(self.order)}.'
            )
