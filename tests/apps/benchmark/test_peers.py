# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Every config's contestants can be built, and are what their names say."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpose_ext.apps.benchmark import loading
from mmpose_ext.apps.benchmark.contestants import Contestant
from mmpose_ext.apps.benchmark.networks import complexity_of
from mmpose_ext.apps.benchmark.peers import peers_of
from mmpose_ext.apps.benchmark.runner import load_contestant
from mmpose_ext.apps.benchmark.settings import Settings
from mmpose_ext.apps.benchmark.suite import ConfigBenchmark
from mmpose_ext.apps.shared.arguments import command_line_text

SIMPLE, AE = 'MSRAHeatmap (SimpleBaseline)', 'AE config (HRNet-W32)'


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def contestants(root, config):
    ours = load_contestant(root / 'configs' / f'{config}.py', None)
    return ours, {peer.name: peer for peer in peers_of(ours)}


@pytest.mark.parametrize(
    ('config', 'names'),
    [
        ('attention_resnet50_256x192', ['SimpleBaseline']),
        ('simplebaseline_resnet50_256x192', []),  # mmpose's own
        (
            'clnet_resnet50_mpii_256x256',
            ['drawn by the worker', SIMPLE, 'MSRAHeatmap, unbiased', 'UDPHeatmap'],
        ),
        ('clnet_hourglass8_256x192', ['MSRAHeatmap (HourglassNet, 8)']),
        ('frsbn_resnet34_384x288', ['MSRAHeatmap', 'UDPHeatmap', 'UDPHeatmap, kernel 77', SIMPLE]),
        ('strongpose_resnet101_401x401', ['AssociativeEmbedding', AE]),
        ('cluster_hourglass4_512x512', ['AssociativeEmbedding', AE]),
        ('associative_embedding_hourglass4_512x512', ['AssociativeEmbedding', AE]),
    ],
)
def test_peers_of(root, config, names):
    ours, peers = contestants(root, config)
    assert all(any(peer.endswith(name) for peer in peers) for name in names)
    assert bool(peers) == bool(names)
    assert all(peer.shares in ('', ours.name) for peer in peers.values())
    assert 'Pretrained' not in str([peer.model for peer in (ours, *peers.values())])


@pytest.mark.parametrize(
    ('config', 'peer'),
    [
        ('attention_resnet50_256x192', 'SimpleBaseline'),
        ('clnet_resnet50_256x192', SIMPLE),
        ('frsbn_resnet50_256x192', SIMPLE),
    ],
)
def test_simple_baseline_is_that_of_the_configs(root, config, peer):
    baseline, _ = contestants(root, 'simplebaseline_resnet50_256x192')
    _, peers = contestants(root, config)
    assert complexity_of(peers[peer]) == complexity_of(baseline)
    assert peers[peer].decoder_cfg == baseline.decoder_cfg


def test_hourglass_peer_fits_256x192(root):
    ours, _ = contestants(root, 'clnet_hourglass8_256x192')
    ours.model['backbone']['num_stacks'] = 1
    peer = next(peer for peer in peers_of(ours) if 'HourglassNet' in peer.name)
    assert complexity_of(peer).params > 1e6


def test_associative_embedding_has_an_input_of_whole_cells(root):
    _, peers = contestants(root, 'strongpose_resnet101_401x401')
    assert peers[AE].input_size == (416, 416)
    assert peers['AssociativeEmbedding'].input_size == (401, 401)
    assert complexity_of(peers[AE]).params == pytest.approx(28.5e6, rel=0.01)  # HRNet-W32


def test_config_without_codec_is_refused():
    cfg = Config(dict(model=dict(), train_dataloader=dict(dataset=dict(pipeline=[]))))
    with pytest.raises(ValueError, match='no '):
        Contestant.from_config(cfg, 'x')


def test_what_cannot_be_measured_is_noted(root):
    ours, _ = contestants(root, 'lsp/clnet_resnet18_lspet_128x128')
    benchmark = ConfigBenchmark([ours], 'c', Settings(runs=1, measures=('loader',)))
    assert benchmark.run() == []
    assert 'set data_root for' in benchmark.notes[0]
    assert 'set --data-root for' in command_line_text(benchmark.notes[0])
    assert torch.is_grad_enabled()


def test_data_sets_in_wrappers(root, tmp_path):
    """The first data set with a pipeline is measured, and its root changes at any depth."""
    cfg = Config.fromfile(root / 'configs' / 'demo' / 'attention_resnet18_128x96.py')
    plain = Contestant.from_config(cfg, 'plain')
    inner = cfg.train_dataloader.dataset
    steps = inner.pop('pipeline')
    inner.ann_file, inner.lazy_init = 'people.json', True
    repeated = dict(type='RepeatDataset', times=2, dataset=inner, lazy_init=True)
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=3,
        dataset=dict(
            type='CombinedDataset',
            metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
            datasets=[repeated],
            pipeline=steps,
            lazy_init=True,
        ),
    )
    wrapped = Contestant.from_config(cfg, 'wrapped')
    assert wrapped.pipeline == plain.pipeline
    assert wrapped.metainfo['num_keypoints'] == 17 and not wrapped.is_bottomup
    inner.data_mode = 'bottomup'
    assert Contestant.from_config(cfg, 'wrapped').is_bottomup
    built = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, 'build_data_set', built.append)
        loading.build_dataset(wrapped, str(tmp_path))
    (combined,) = built
    assert combined['datasets'][0]['dataset']['data_root'] == str(tmp_path)
    assert 'data_root' not in combined and 'data_root' not in combined['datasets'][0]
