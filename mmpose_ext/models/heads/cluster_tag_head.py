# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's head: targets, losses, flip test and decoding."""

from __future__ import annotations

import math
from typing import Any, Dict, Sequence

import numpy as np
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.utils.typing import ConfigType, InstanceList, OptConfigType, OptSampleList
from torch import Tensor, nn

from mmpose_ext.codecs import ClusterTag
from mmpose_ext.codecs.cluster_tag.clusters import DEFAULT_CLUSTERS
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

Stacks = Sequence[Dict[str, Maps]]


class _Setting(nn.Module):
    """A cluster setting's codec, with its index tensors on the model's device."""

    def __init__(self, codec: ClusterTag) -> None:
        super().__init__()
        self.codec = codec
        for name in ('cluster_of', 'place_in_cluster'):
            self.register_buffer(name, getattr(self.codec, name).clone(), persistent=False)


@MODELS.register_module()
class ClusterTagHead(BaseHead):
    """Head of the cluster-wise network, without layers of its own.

    The input is the output of :class:`mmpose_ext.models.backbones.BranchedHourglass`. The backbone
    owns the prediction layers because predictions feed back between its stacks. Every branch of
    every stack has a loss; people are decoded from the last stack's sparse branch (Section 3.1).

    With :class:`mmpose_ext.models.pose_estimators.MultiScaleBottomupEstimator` the head tests at
    several scales: it averages heatmaps at the largest scale's size, and concatenates the tags of
    all passes, original and mirrored, to vectors, as in Newell et al. (NIPS 2017).

    Each cluster setting has its own codec: a copy of ``decoder`` with other clusters. The training
    pipeline's ``GenerateTarget`` needs only one codec, with ``draw_on_device=True``, because all
    codecs draw from the same points.

    Args:
        decoder (dict, optional): Config of the :class:`mmpose_ext.codecs.ClusterTag` of the last
            stack's sparse branch.
        sparse_clusters (Sequence, optional): Each stack's clusters in the sparse branch, the same
            as the backbone's; the last ones must be the decoder's. Defaults to four times the
            decoder's.
        dense_clusters (Sequence, optional): Each stack's clusters in the dense branch. Defaults to
            None: no dense branch.
        offset_span (float, optional): If set, each cluster setting has its own delta:
            ``offset_span`` divided by the number of keypoints in its largest cluster. With the
            loss's margin as ``offset_span``, the offsets d * delta stay below the margin in every
            setting. Defaults to None: the decoder's delta for all.
        loss (dict): Config of the loss. Defaults to
            :class:`mmpose_ext.models.losses.ClusterTagLoss`.
        init_cfg (dict, optional): Config of the initialization.

    Raises:
        ValueError: If there is no decoder, the branches have different numbers of stacks, or the
            last sparse clusters are not the decoder's.
    """

    #: Frame of the maps: the input's edges are the maps' edges.
    align_corners = False

    def __init__(
        self,
        decoder: OptConfigType = None,
        sparse_clusters: Sequence | None = None,
        dense_clusters: Sequence | None = None,
        offset_span: float | None = None,
        loss: ConfigType = dict(type='ClusterTagLoss'),
        init_cfg: OptConfigType = None,
    ) -> None:
        super().__init__(init_cfg)
        if decoder is None:
            raise ValueError(
                'ClusterTagHead: set decoder to the ClusterTag codec of the training pipeline; it '
                'draws and decodes the maps.'
            )
        self.decoder = _build_codec(decoder, offset_span)
        self.loss_module = MODELS.build(loss)
        clusters = decoder.get('clusters', DEFAULT_CLUSTERS)
        branches = dict(sparse=sparse_clusters or (clusters,) * 4)
        if dense_clusters is not None:
            branches['dense'] = dense_clusters
        lengths = {name: len(value) for name, value in branches.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f'ClusterTagHead: {lengths} cluster settings; each stack needs one of each branch.'
            )
        if _plain(branches['sparse'][-1]) != _plain(clusters):
            raise ValueError(
                f"ClusterTagHead: the last stack's sparse clusters are {branches['sparse'][-1]}, "
                f"but the decoder's are {clusters}; people are decoded from that branch."
            )
        self.settings = nn.ModuleList()
        known = []
        #: Index of each branch in ``settings``, for each stack.
        self.stacks: list[dict[str, int]] = [dict() for _ in branches['sparse']]
        for name, values in branches.items():
            for stack, value in zip_equal(self.stacks, values):
                if _plain(value) not in known:
                    known.append(_plain(value))
                    codec = _build_codec(dict(decoder, clusters=value), offset_span)
                    self.settings.append(_Setting(codec))
                stack[name] = known.index(_plain(value))

    def forward(self, feats: Stacks) -> tuple[Tensor, Tensor]:
        """Return the maps from which people are decoded: heatmaps and tags, (B, C, h, w) each."""
        maps = feats[-1]['sparse']
        return maps['heatmaps'], maps['tags']

    def predict_maps(self, feats: Stacks, input_size: Sequence[int] | None = None) -> Maps:
        """Return the maps that the codec decodes.

        Args:
            feats (Sequence[dict[str, Maps]]): The backbone's maps.
            input_size (Sequence[int], optional): [w, h] of the input; not used, because the stride
                is the same for inputs of any size.

        Returns:
            dict[str, Tensor]: ``heatmaps`` and ``tags``, (B, C, h, w) each.
        """
        return dict(zip_equal(('heatmaps', 'tags'), self.forward(feats)))

    def predict(
        self,
        feats: Any,
        batch_data_samples: OptSampleList,
        test_cfg: ConfigType = {},
    ) -> InstanceList | tuple[InstanceList, list[PixelData]]:
        """Predict the people.

        Args:
            feats (Sequence): The backbone's maps. With ``test_cfg.flip_test``, a list of the maps
                of the input and of its mirror image. With ``test_cfg.input_sizes``, a list with one
                such entry per scale.
            batch_data_samples (list[PoseDataSample]): B samples; the flip test uses their
                ``flip_indices``.
            test_cfg (dict): ``flip_test``, ``output_heatmaps``, ``scales``, ``full_size`` and
                ``input_sizes`` (see
                :class:`mmpose_ext.models.pose_estimators.MultiScaleBottomupEstimator`) and
                ``tag_scales`` are used. ``tag_scales`` names those of ``scales`` whose tags count:
                by default all, as in the paper on associative embedding; its public code uses only
                the tags of the trained scale. Defaults to {}.

        Returns:
            list[InstanceData]: keypoints (N, K, 2) in pixels of the (unscaled) input,
            keypoint_scores (N, K) and bbox_scores (N,), the people's scores. With
            ``output_heatmaps`` also a list of PixelData with the merged heatmaps and the tags of
            the first pass, (C, h, w) each.

        Raises:
            ValueError: If ``test_cfg`` sets mmpose's own multi-scale testing or ``shift_heatmap``,
                or if ``tag_scales`` names none of the scales.
        """
        if test_cfg.get('multiscale_test', False):
            raise ValueError(
                'ClusterTagHead: test_cfg.multiscale_test is not supported; use '
                "type='MultiScaleBottomupEstimator' with test_cfg.scales."
            )
        if test_cfg.get('shift_heatmap', False):
            raise ValueError('ClusterTagHead: test_cfg.shift_heatmap is not supported; remove it.')
        sizes = test_cfg.get('input_sizes')
        scales = [feats] if sizes is None else feats
        if test_cfg.get('flip_test', False):
            indices = batch_data_samples[0].metainfo['flip_indices']
            each = [
                self.decoder.merge_flipped(
                    self.predict_maps(scale[0]), self.predict_maps(scale[1]), indices
                )
                for scale in scales
            ]
        else:
            each = [self.predict_maps(scale) for scale in scales]
        maps = each[0]
        if sizes is not None:
            maps = self.decoder.merge_scales(each, _scales_with_tags(test_cfg))
        preds = self.decode(maps)
        if sizes is not None:
            for pred in preds:
                _bring_to_size(pred, max(sizes, key=math.prod), test_cfg['full_size'])
        if not test_cfg.get('output_heatmaps', False):
            return preds
        fields = zip_equal(
            maps['heatmaps'].detach(), maps['tags'][:, : self.decoder.num_clusters].detach()
        )
        return preds, [PixelData(heatmaps=heatmaps, tags=tags) for heatmaps, tags in fields]

    def decode(self, batch_outputs: Maps) -> InstanceList:
        """Decode maps, ``heatmaps`` and ``tags`` (B, C, h, w), into the people of each image."""
        decoded = self.decoder.batch_decode(batch_outputs)
        return [
            InstanceData(keypoints=keypoints, keypoint_scores=scores, bbox_scores=instance_scores)
            for keypoints, scores, instance_scores in zip_equal(*decoded)
        ]

    def loss(
        self,
        feats: Stacks,
        batch_data_samples: OptSampleList,
        train_cfg: ConfigType = {},
    ) -> Maps:
        """Compute the losses, summed over stacks and branches (Eq. 8).

        Args:
            feats (Sequence[dict[str, Maps]]): The backbone's maps.
            batch_data_samples (list[PoseDataSample]): B samples with points to draw.
            train_cfg (dict): Unused. Defaults to {}.

        Returns:
            dict[str, Tensor]: ``loss_heatmap``, ``loss_pull`` and ``loss_push``.

        Raises:
            ValueError: If stacks, branches or clusters differ from those of the backbone, or the
                samples carry maps of other clusters.
        """
        self._check(feats)
        device = feats[-1]['sparse']['heatmaps'].device
        targets = [setting.codec.targets(batch_data_samples, device) for setting in self.settings]
        for setting, target in zip_equal(self.settings, targets):
            self._check_targets(setting.codec, target)
        losses = []
        for maps, stack in zip_equal(feats, self.stacks):
            for name, index in stack.items():
                setting = self.settings[index]
                losses.append(
                    self.loss_module(
                        maps[name],
                        targets[index],
                        setting.cluster_of,
                        setting.place_in_cluster,
                        setting.codec.delta,
                    )
                )
        return {name: sum(loss[name] for loss in losses) for name in losses[0]}

    @staticmethod
    def _check_targets(codec: ClusterTag, targets: Maps) -> None:
        drawn = targets['heatmaps'].shape[1]
        if drawn != codec.num_clusters:  # they would be broadcast
            raise ValueError(
                f'ClusterTagHead: the samples carry heatmaps of {drawn} clusters, but a stack has '
                f'{codec.num_clusters}: set draw_on_device=True in the codec of GenerateTarget.'
            )

    def _check(self, feats: Stacks) -> None:
        given = [{name: maps['tags'].shape[1] for name, maps in stack.items()} for stack in feats]
        wanted = [
            {name: self.settings[index].codec.num_clusters for name, index in stack.items()}
            for stack in self.stacks
        ]
        if given != wanted:
            raise ValueError(
                f"ClusterTagHead: the backbone's stacks have {given} clusters, the head's "
                f'{wanted}. Give both the same sparse_clusters and dense_clusters.'
            )


def _build_codec(cfg: ConfigType, offset_span: float | None) -> ClusterTag:
    """Build a codec with the delta that ``offset_span`` implies."""
    codec = KEYPOINT_CODECS.build(cfg)
    if offset_span is None:
        return codec
    largest = max(len(cluster) for cluster in codec.clusters)
    return KEYPOINT_CODECS.build(dict(cfg, delta=offset_span / largest))


def _scales_with_tags(test_cfg: ConfigType) -> list[int]:
    """Return the indices of the scales whose tags ``tag_scales`` selects."""
    wanted = test_cfg.get('tag_scales')
    numbers = [n for n, scale in enumerate(test_cfg['scales']) if not wanted or scale in wanted]
    if not numbers or len(numbers) < len(set(wanted or ())):
        raise ValueError(
            f'ClusterTagHead: test_cfg.tag_scales {list(wanted)} must be some of '
            f'test_cfg.scales {list(test_cfg["scales"])}.'
        )
    return numbers


def _bring_to_size(pred: InstanceData, scaled: tuple[int, int], full: tuple[int, int]) -> None:
    """Convert keypoints from an input of size [w, h] to one of another size, edge to edge."""
    ratio = np.array(full, np.float32) / np.array(scaled, np.float32)
    pred.keypoints = (pred.keypoints + 0.5) * ratio - 0.5


def _plain(clusters: int | str | Sequence) -> int | str | list:
    """Convert a cluster setting from the config's list types to plain lists, for comparison."""
    if isinstance(clusters, (int, str)):
        return clusters
    return [cluster if isinstance(cluster, (int, str)) else list(cluster) for cluster in clusters]
