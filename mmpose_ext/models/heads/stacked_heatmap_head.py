# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The stacked hourglass's heatmap head, of which any stage can be tested."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.structures import PixelData
from mmpose.models.heads import CPMHead
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import MODELS
from mmpose.utils.typing import ConfigType, InstanceList, OptSampleList
from torch import Tensor

from mmpose_ext.utils.maps import Maps


@MODELS.register_module()
class StackedHeatmapHead(CPMHead):
    """mmpose's ``CPMHead`` with ``test_cfg.stage``, the index of the stage that predicts.

    It serves the baseline of composite localization's Figure 4 (b), the accuracy of each stage. The
    last stage predicts by default, as in ``CPMHead``, and the arguments are the same.
    """

    def predict_maps(
        self,
        feats: Sequence[Tensor],
        input_size: Sequence[int] | None = None,
        stage: int = -1,
    ) -> Maps:
        """Return one stage's heatmaps, which the codec decodes.

        Args:
            feats (Sequence[Tensor]): The stages' features.
            input_size (Sequence[int], optional): Not used: the maps follow the features' size.
            stage (int): Index of the stage. Defaults to -1, the last one.

        Returns:
            dict[str, Tensor]: ``heatmaps`` (B, K, h, w).
        """
        return dict(heatmaps=self.forward(feats)[stage])

    def predict(
        self,
        feats: Sequence[Tensor] | list[Sequence[Tensor]],
        batch_data_samples: OptSampleList,
        test_cfg: ConfigType = {},
    ) -> InstanceList | tuple[InstanceList, list[PixelData]]:
        """Predict keypoints from one stage's heatmaps.

        Args:
            feats (Sequence[Tensor] | list[Sequence[Tensor]]): The stages' features. With
                ``test_cfg.flip_test``, a list of the features of the input and of its mirror image.
            batch_data_samples (list[PoseDataSample]): B samples; the flip test uses their
                ``flip_indices``.
            test_cfg (dict): ``stage``, ``flip_test``, ``flip_mode``, ``shift_heatmap`` and
                ``output_heatmaps`` are used. Defaults to {}.

        Returns:
            list[InstanceData]: keypoints (1, K, 2) in input pixels and keypoint_scores (1, K). With
            ``output_heatmaps`` also a list of PixelData with the heatmaps (K, h, w).
        """
        stage = test_cfg.get('stage', -1)
        if test_cfg.get('flip_test', False):
            heatmaps, mirrored = (
                self.predict_maps(value, stage=stage)['heatmaps'] for value in feats
            )
            mirrored = flip_heatmaps(
                mirrored,
                flip_mode=test_cfg.get('flip_mode', 'heatmap'),
                flip_indices=batch_data_samples[0].metainfo['flip_indices'],
                shift_heatmap=test_cfg.get('shift_heatmap', False),
            )
            heatmaps = (heatmaps + mirrored) / 2
        else:
            heatmaps = self.predict_maps(feats, stage=stage)['heatmaps']
        preds = self.decode(heatmaps)
        if not test_cfg.get('output_heatmaps', False):
            return preds
        return preds, [PixelData(heatmaps=maps) for maps in heatmaps.detach()]
