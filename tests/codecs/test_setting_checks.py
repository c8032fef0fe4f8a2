# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""No codec takes a setting that is no number, switch or size of the range that it needs."""

import json
from dataclasses import asdict, fields

import numpy as np
import pytest

from mmpose_ext.codecs import (
    ClusterTag,
    CompositeLocalization,
    DiskOffset,
    FullResolutionHeatmap,
)
from mmpose_ext.codecs.cluster_tag.settings import ClusterTagSettings
from mmpose_ext.codecs.disk_offset.settings import ABOVE_0, LEAST_0, DiskOffsetSettings
from mmpose_ext.codecs.setting_checks import check_number

NAN, INF = float('nan'), float('inf')
#: What is no value of a type.
WRONG = dict(
    float=(NAN, INF, -INF, '1', True, [1.0]),
    int=(NAN, INF, 2.5, '3', True, -1),
    bool=('no', 2, NAN),
)
#: Float settings that may be any finite number; all others have a range.
ANY_NUMBER = {'score_threshold'}


def make_disks(**settings):
    return DiskOffset((33, 33), **settings)


def make_clusters(**settings):
    return ClusterTag((64, 64), **{'heatmap_size': (16, 16), **settings})


def make_localization(**settings):
    return CompositeLocalization((64, 64), **settings)


def make_heatmap(**settings):
    return FullResolutionHeatmap((64, 64), **settings)


def faults():
    """Yield each field of the bottom-up codecs' settings with each wrong value."""
    for make, kind in ((make_disks, DiskOffsetSettings), (make_clusters, ClusterTagSettings)):
        for field in fields(kind):
            type_, _, optional = field.type.partition(' | ')
            wrong = WRONG.get(type_, ())
            if type_ == 'float' and field.name not in ANY_NUMBER:
                wrong += (-1.0,)
            if type_ == 'int' and field.name not in LEAST_0:
                wrong += (0,)
            if wrong and not optional:
                wrong += (None,)
            for value in wrong:
                yield make, field.name, value


@pytest.mark.parametrize(('make', 'name', 'value'), faults())
def test_fields_of_the_bottom_up_codecs(make, name, value):
    with pytest.raises(ValueError, match=f'{name} must be'):
        make(**{name: value})


@pytest.mark.parametrize('name', ABOVE_0)
def test_zero_is_refused_where_it_divides_or_is_no_threshold(name):
    with pytest.raises(ValueError, match=f'{name} must be a finite number above 0, got 0'):
        make_disks(**{name: 0})


@pytest.mark.parametrize('name', LEAST_0)
def test_zero_switches_off(name):
    assert getattr(make_disks(**{name: 0}).settings, name) == 0


@pytest.mark.parametrize(
    ('make', 'name', 'wrong'),
    [
        (make_clusters, 'heatmap_size', [(1, 16), (16, 16, 16), (16.5, 16), 16, '16', (NAN, 16)]),
        (make_clusters, 'order', [[0.5, *range(1, 17)]]),
        (make_disks, 'map_size', [(0, 5), (5.5, 5), (INF, 5), 5]),
        (make_disks, 'draw_on_device', ['yes']),
        (make_localization, 'sigma', [0, -1, NAN, INF, '16', True]),
        (make_localization, 'tau', [0, 1, NAN, '0.6']),
        (make_localization, 'stride', [5, NAN, '16']),
        (make_heatmap, 'sigma', [0, -1, NAN, INF, '8', True]),
        (make_heatmap, 'refine', ['no', 2]),
    ],
)
def test_other_settings(make, name, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=f'{name} must be'):
            make(**{name: value})


@pytest.mark.parametrize('kind', [DiskOffset, CompositeLocalization, FullResolutionHeatmap])
@pytest.mark.parametrize('size', [(0, 64), (64,), (64, 64, 3), (64.5, 64), 64, (NAN, 64), '64'])
def test_input_sizes(kind, size):
    with pytest.raises(ValueError, match='input_size must be'):
        kind(size)


def test_numbers_of_numpy_are_stored_as_pythons():
    """So an exported model's settings are JSON, and equal settings are the same."""
    disks = make_disks(radius=np.float32(8), max_people=np.int64(3), map_size=np.array([17, 17]))
    assert disks.settings == make_disks(radius=8, max_people=3.0).settings
    clusters = make_clusters(sigma=np.float32(2), nms_kernel=np.int64(5), order=np.arange(17))
    assert clusters.settings == make_clusters(nms_kernel=5).settings
    for codec in (disks, clusters):
        settings = json.loads(json.dumps(asdict(codec.settings)))
        assert type(codec.settings)(**settings) == codec.settings
    localization = CompositeLocalization(np.array([64.0, 32.0]), stride=4.0)
    assert localization.map_size == (16, 8) and type(localization.map_size[0]) is int


def test_messages_name_all_bounds():
    with pytest.raises(ValueError, match='A: b must be a finite number, got nan'):
        check_number('A', 'b', NAN)
    with pytest.raises(ValueError, match='must be a finite number of 1 or more and below 2, got 2'):
        check_number('A', 'b', 2, least=1, below=2)
