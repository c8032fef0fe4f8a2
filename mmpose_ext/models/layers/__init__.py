# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .cbam import CBAM, ChannelAttention, SpatialAttention
from .cross_branch_aggregation import ClusterConv2d, CrossBranchAggregation
from .decoder_block import DecoderBlock
from .dilated_bottleneck import dilated_bottleneck
from .gaussian_non_local import GaussianNonLocal2d, gaussian_attention
from .global_context import GlobalContextBlock
from .in_branch_aggregation import InBranchAggregation
from .offset_refinement import refine_offsets
from .second_order import SecondOrderCBAM, SecondOrderChannelAttention, channel_covariance
from .second_order_non_local import SecondOrderNonLocal

__all__ = [
    'CBAM',
    'ChannelAttention',
    'ClusterConv2d',
    'CrossBranchAggregation',
    'GaussianNonLocal2d',
    'InBranchAggregation',
    'SecondOrderCBAM',
    'SecondOrderChannelAttention',
    'SecondOrderNonLocal',
    'SpatialAttention',
    'channel_covariance',
    'dilated_bottleneck',
    'gaussian_attention',
    'DecoderBlock',
    'GlobalContextBlock',
    'refine_offsets',
]
