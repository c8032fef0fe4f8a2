# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's prediction layers, for the features of any backbone."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.cnn import ConvModule, build_upsample_layer
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.codecs.cluster_tag.clusters import DEFAULT_CLUSTERS, make_clusters
from mmpose_ext.models.backbones.branched_hourglass import Clusters
from mmpose_ext.models.layers.cluster_branch import ClusterBranch
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.metainfo import COCO_METAINFO, keypoint_names, load_metainfo


@MODELS.register_module()
class ClusterBranches(BaseModule):
    """Heatmaps and tags of keypoint clusters from one feature map.

    In the cluster-wise network (Section 3) the predictions feed back between the stacks, so
    :class:`mmpose_ext.models.backbones.BranchedHourglass` owns them. This neck is the end of that
    network's last stack, for a backbone without stacks: deconvolutions up to the codec's stride, a
    3x3 convolution, and the branches of the dense and the sparse clusters, each with a sub-branch
    for heatmaps and one for tags. :class:`mmpose_ext.models.heads.ClusterTagHead` follows, with the
    same clusters as its only stack. There is no in-branch or cross-branch aggregation, because both
    only prepare the next stack's input.

    Args:
        in_channels (int): Channels of the feature map.
        sparse_clusters (int | Sequence): Clusters of the sparse branch, from which people are
            decoded: a number of clusters or lists of keypoints, as
            :class:`mmpose_ext.codecs.ClusterTag` takes them. Defaults to 17.
        dense_clusters (int | Sequence, optional): The same for the dense branch. None leaves the
            branch out. Defaults to None.
        metainfo (str): The data set's meta information, which names the keypoints: a path in
            mmpose's configs or a file. Defaults to COCO's.
        channels (int): Channels of the 3x3 convolution and of the branches. Defaults to 256.
        deconv_out_channels (Sequence[int]): Channels of the 4x4 deconvolutions of stride 2 before
            these layers, one per doubling of the resolution. Defaults to no deconvolution.
        index (int): Index of the backbone's feature map to use. Defaults to -1, the last.
        tag_scale (float): The unit of the tag layers' outputs; see ``BranchedHourglass``. Defaults
            to 1.
        init_cfg (dict | list[dict], optional): Config of the initialization.
    """

    def __init__(
        self,
        in_channels: int,
        sparse_clusters: Clusters = DEFAULT_CLUSTERS,
        dense_clusters: Clusters | None = None,
        metainfo: str = COCO_METAINFO,
        channels: int = 256,
        deconv_out_channels: Sequence[int] = (),
        index: int = -1,
        tag_scale: float = 1.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.index = index
        layers = []
        for width in deconv_out_channels:
            layers += _deconv(in_channels, width)
            in_channels = width
        layers.append(ConvModule(in_channels, channels, 3, padding=1, norm_cfg=dict(type='BN')))
        self.layers = nn.Sequential(*layers)
        names = keypoint_names(load_metainfo(dict(from_file=metainfo)))
        settings = dict(sparse=sparse_clusters)
        if dense_clusters is not None:
            settings = dict(dense=dense_clusters, sparse=sparse_clusters)
        self.branches = nn.ModuleDict(
            {
                name: ClusterBranch(
                    channels, len(make_clusters(value, names)), False, True, tag_scale
                )
                for name, value in settings.items()
            }
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[dict[str, Maps]]:
        """Predict the maps.

        Args:
            feats (Sequence[Tensor]): (B, C, h, w) each; ``index`` selects one.

        Returns:
            tuple[dict]: One stack: a dict of its branches, ``sparse`` and, if there is one,
            ``dense``. Each is a dict of ``heatmaps`` and ``tags``, (B, C, s * h, s * w) each, where
            s is 2 to the number of deconvolutions.

        Raises:
            ValueError: If the feature map does not have ``in_channels`` channels.
        """
        x = feats[self.index]
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f'ClusterBranches: in_channels {self.in_channels} but feature map {self.index} has '
                f'{x.shape[1]} channels. Set in_channels, or index to another of the maps.'
            )
        x = self.layers(x)
        return ({name: branch(x)[0] for name, branch in self.branches.items()},)


def _deconv(in_channels: int, channels: int) -> list[nn.Module]:
    """Build a 4x4 deconvolution that doubles the resolution, batch normalization and ReLU."""
    cfg = dict(type='deconv', kernel_size=4, stride=2, padding=1, bias=False)
    deconv = build_upsample_layer(dict(cfg, in_channels=in_channels, out_channels=channels))
    return [deconv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
