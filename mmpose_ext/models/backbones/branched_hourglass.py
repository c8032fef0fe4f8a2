# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Stacked hourglass in which each stack predicts clusters of keypoints for the next stack."""

from __future__ import annotations

from typing import Sequence, Union

from mmengine.model import BaseModule
from mmpose.models.backbones.base_backbone import BaseBackbone
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.codecs.cluster_tag.clusters import DEFAULT_CLUSTERS, make_clusters
from mmpose_ext.models.layers.cluster_branch import ClusterBranch
from mmpose_ext.models.layers.conv_unit import BATCH_NORM, ConvUnit
from mmpose_ext.models.layers.cross_branch_aggregation import CrossBranchAggregation
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.metainfo import COCO_METAINFO, keypoint_names, load_metainfo
from mmpose_ext.utils.sequences import zip_equal

from .stacked_hourglass import BLOCKS, STEM_STRIDE, Hourglass, hourglass_stem

Clusters = Union[int, Sequence[Sequence[Union[int, str]]]]


class BranchedStack(BaseModule):
    """One hourglass with its branches, and the input that it computes for the next stack.

    Args:
        depth (int): Number of times that the hourglass halves the resolution.
        channels (int): Channels of all features.
        blocks (int): Number of modules at each position in the hourglass.
        growth (int): Channels that the hourglass adds at each halved resolution.
        clusters (dict[str, list[list[int]]]): Keypoints of each branch's clusters, in the order of
            computation: ``dense`` (if there is such a branch), ``sparse``.
        in_branch (bool): Whether there is in-branch aggregation.
        cross_branch (bool): Whether there is cross-branch aggregation.
        is_last (bool): Whether no stack follows.
        tag_scale (float): The unit of the tags.
        norm_cfg (dict, optional): Config of the normalization.
        block (str): Kind of module in the hourglass; see ``BranchedHourglass``.
    """

    def __init__(
        self,
        depth: int,
        channels: int,
        blocks: int,
        growth: int,
        clusters: dict[str, list[list[int]]],
        in_branch: bool,
        cross_branch: bool,
        is_last: bool,
        tag_scale: float,
        norm_cfg: dict | None,
        block: str,
    ) -> None:
        super().__init__()
        self.hourglass = Hourglass(
            depth, channels, blocks, growth=growth, norm_cfg=norm_cfg, block=block
        )
        is_residual = block == 'residual'
        self.out = BLOCKS[block](channels, channels, 1 if is_residual else 2, norm_cfg)
        self.branches = nn.ModuleDict(
            {
                name: ClusterBranch(channels, len(value), in_branch, is_last, tag_scale, norm_cfg)
                for name, value in clusters.items()
            }
        )
        self.cross_branch = None
        self.is_last = is_last
        if is_last:
            return
        if cross_branch:
            self.cross_branch = CrossBranchAggregation(
                channels, clusters['sparse'], clusters['dense']
            )
        self.fuse = nn.ModuleList(
            ConvUnit(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
            for _ in range(1 + 2 * len(clusters))
        )
        # associative embedding's code only sums; Newell's hourglass has a module after the sum
        self.inter = (
            nn.Sequential(nn.ReLU(inplace=True), BLOCKS[block](channels, channels, 1, norm_cfg))
            if is_residual
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> tuple[dict[str, Maps], Tensor | None]:
        """Map (B, channels, h, w) to each branch's maps and the next stack's input."""
        features = self.out(self.hourglass(x))
        maps, detections, tags = {}, {}, {}
        for name, branch in self.branches.items():
            maps[name], detections[name], tags[name] = branch(features)
        if self.is_last:
            return maps, None
        if self.cross_branch is not None:
            detections['dense'] = self.cross_branch(detections['dense'], detections['sparse'])
        sources = [features, *detections.values(), *tags.values()]
        fused = sum(conv(source) for conv, source in zip_equal(self.fuse, sources))
        return maps, self.inter(x + fused)


@MODELS.register_module()
class BranchedHourglass(BaseBackbone):
    """Stacked hourglass that predicts dense and sparse clusters of keypoints at every stack.

    Cluster-wise network, Sections 3.1 and 3.4, Figures 2 and 4. Two branches follow each hourglass,
    one for dense clusters (many keypoints each) and one for sparse clusters (few). Each has a
    sub-branch for heatmaps and one for tags. Within a branch, the tag features are aggregated to
    the detection features, and then the sparse branch's features to the dense branch's. 1x1
    convolutions fuse these, the tag features and the hourglass's output; their sum and the stack's
    input go to the next stack. The loss applies to the predictions before any aggregation. The last
    stack has no aggregation, because no stack follows.

    Predictions feed back from stack to stack, so the prediction layers are here and not in the
    head: this backbone returns maps, and :class:`mmpose_ext.models.heads.ClusterTagHead` has no
    layers, only targets, losses, flip test and decoding. mmpose's ``BottomupPoseEstimator`` runs
    the two unchanged.

    Without dense clusters the network has one branch. With 17 sparse clusters of one keypoint each,
    it is plain associative embedding (Newell et al., NIPS 2017).

    The paper reports that PyTorch's default initialization works. Here convolutions with
    normalization have mmcv's initialization (Kaiming) and all others have PyTorch's.

    **Width.** The paper builds on associative embedding and does not give channels or modules. The
    public training code of associative embedding has 3x3 convolutions without normalization at each
    position, and adds 128 channels at each halved resolution: ``growth=128, block='conv',
    norm_cfg=None``, 139 million parameters in four stacks. The defaults are the narrow hourglass of
    Newell et al. (ECCV 2016), with residual modules of 256 channels throughout: 17 million
    parameters.

    Args:
        sparse_clusters (Sequence): Clusters of the sparse branch for each stack: a number of
            clusters or lists of keypoints, as :class:`mmpose_ext.codecs.ClusterTag` takes them. The
            length is the number of stacks. Defaults to four stacks of 17 (the paper's Cluster-2).
        dense_clusters (Sequence, optional): The same for the dense branch. None leaves the branch
            out. Defaults to four stacks of 1.
        metainfo (str): The data set's meta information, which names the keypoints: a path in
            mmpose's configs or a file. Defaults to COCO's.
        in_branch (bool): Whether there is in-branch aggregation. Defaults to True.
        cross_branch (bool): Whether there is cross-branch aggregation. Defaults to True.
        depth (int): Number of times that each hourglass halves the resolution. Defaults to 4.
        channels (int): Channels of all features from stride 4 on, and of each sub-branch's
            predictions and general features together. Defaults to 256.
        blocks (int): Number of modules at each position in the hourglasses. Defaults to 1.
        growth (int): Channels that the hourglasses add at each halved resolution; 128 in Newell et
            al.'s associative embedding. Defaults to 0, as in their earlier hourglass.
        stem_channels (int): Channels of the first convolution. Defaults to 64.
        tag_scale (float): Factor of the tag layers' outputs, for tags that must move far apart in
            few steps. With the loss's margin as factor, the layers predict tags in units of the
            margin, and the next stack gets them in these units. The optimum is the same. Defaults
            to 1.
        norm_cfg (dict, optional): Config of the normalization, for example ``dict(type='GN',
            num_groups=8)`` for batches of a few images. None for no normalization. Defaults to
            batch normalization.
        block (str): Kind of module at each position of the hourglasses: ``'residual'``, Newell's
            module (which needs a normalization), or ``'conv'``, a 3x3 convolution with ReLU. With
            ``'conv'``, two of them follow each hourglass, and the stacks' sum is passed on
            unchanged. Defaults to ``'residual'``.
        init_cfg (dict | list[dict], optional): Config of the initialization.

    Raises:
        ValueError: If the branches have different numbers of stacks, cross-branch aggregation is
            set without a dense branch, ``channels`` does not exceed the number of clusters,
            ``block`` is unknown, or residual modules have no normalization.
    """

    def __init__(
        self,
        sparse_clusters: Sequence[Clusters] = (DEFAULT_CLUSTERS,) * 4,
        dense_clusters: Sequence[Clusters] | None = (1, 1, 1, 1),
        metainfo: str = COCO_METAINFO,
        in_branch: bool = True,
        cross_branch: bool = True,
        depth: int = 4,
        channels: int = 256,
        blocks: int = 1,
        growth: int = 0,
        stem_channels: int = 64,
        tag_scale: float = 1.0,
        norm_cfg: dict | None = BATCH_NORM,
        block: str = 'residual',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if block not in BLOCKS:
            raise ValueError(f'BranchedHourglass: block must be one of {[*BLOCKS]}, got {block!r}.')
        if block == 'residual' and norm_cfg is None:
            raise ValueError(
                'BranchedHourglass: residual modules need a normalization; set norm_cfg, or '
                "block='conv'."
            )
        if dense_clusters is None and cross_branch:
            raise ValueError(
                'BranchedHourglass: cross-branch aggregation needs a dense branch; set '
                'cross_branch=False or dense_clusters.'
            )
        #: Each branch's clusters, for each stack.
        self.clusters = _clusters_of_stacks(sparse_clusters, dense_clusters, metainfo)
        most = max(len(value) for stack in self.clusters for value in stack.values())
        if channels <= most:
            raise ValueError(
                f'BranchedHourglass: {channels} channels leave none for general features after '
                f'the predictions of {most} clusters.'
            )
        self.divisor = STEM_STRIDE * 2**depth
        self.stem = hourglass_stem(channels, stem_channels, norm_cfg, block)
        last = len(self.clusters) - 1
        self.stacks = nn.ModuleList(
            BranchedStack(
                depth,
                channels,
                blocks,
                growth,
                clusters,
                in_branch,
                cross_branch,
                i == last,
                tag_scale,
                norm_cfg,
                block,
            )
            for i, clusters in enumerate(self.clusters)
        )

    def forward(self, x: Tensor) -> tuple[dict[str, Maps], ...]:
        """Predict each stack's maps.

        Args:
            x (Tensor): (B, 3, H, W).

        Returns:
            tuple[dict]: One dict per stack with its branches, ``dense`` and ``sparse``; each is a
            dict of ``heatmaps`` and ``tags``, (B, C, H / 4, W / 4) each.

        Raises:
            ValueError: If the input's size is not divisible by 4 * 2 ** depth.
        """
        if any(size % self.divisor for size in x.shape[-2:]):
            raise ValueError(
                f'BranchedHourglass: the input is {x.shape[-1]}x{x.shape[-2]}; both must be '
                f'divisible by {self.divisor}.'
            )
        x = self.stem(x)
        outputs = []
        for stack in self.stacks:
            maps, x = stack(x)
            outputs.append(maps)
        return tuple(outputs)


def _clusters_of_stacks(
    sparse: Sequence[Clusters], dense: Sequence[Clusters] | None, metainfo: str
) -> list[dict[str, list[list[int]]]]:
    """Return each stack's clusters by branch, dense before sparse.

    Raises:
        ValueError: If the branches have different numbers of stacks.
    """
    settings = dict(sparse=sparse) if dense is None else dict(dense=dense, sparse=sparse)
    if dense is not None and len(dense) != len(sparse):
        raise ValueError(
            f'BranchedHourglass: {len(dense)} dense but {len(sparse)} sparse cluster settings; '
            'each stack needs one of each.'
        )
    names = keypoint_names(load_metainfo(dict(from_file=metainfo)))
    return [
        {name: make_clusters(values[i], names) for name, values in settings.items()}
        for i in range(len(sparse))
    ]
