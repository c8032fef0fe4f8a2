# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The networks' pictures are up to date and show the sizes that the networks have."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from markdown_pages import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch.utils._pytree import tree_flatten


def load_script():
    """Import docs/network_pictures.py."""
    spec = importlib.util.spec_from_file_location(
        'network_pictures', ROOT / 'docs' / 'network_pictures.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


def sizes_of_network(config: str) -> set[str]:
    """Return the sizes CxHxW of all tensors that the network's layers give in training."""
    init_default_scope('mmpose')
    cfg = Config.fromfile(ROOT / 'configs' / f'{config}.py')
    model = MODELS.build(cfg.model).to('meta').train()
    sizes = set()

    def note(_module, _inputs, output) -> None:
        values, _ = tree_flatten(output)
        for value in values:
            if isinstance(value, torch.Tensor) and value.ndim == 4:
                sizes.add('x'.join(map(str, value.shape[1:])))

    for module in model.modules():
        module.register_forward_hook(note)
    w, h = cfg.codec.input_size
    with torch.no_grad():
        model._forward(torch.empty(2, 3, h, w, device='meta'))
    return sizes | {f'3x{h}x{w}'}


@pytest.mark.parametrize('name', script.NETWORKS)
def test_sizes_are_the_networks(name):
    title, nodes, _ = script.NETWORKS[name]
    layers = {size for _, _, kind, _, size in nodes.values() if kind != 'maps'}
    maps = [size for _, _, kind, _, size in nodes.values() if kind == 'maps']
    drawn = {size for size in layers if re.fullmatch(r'\d+x\d+x\d+', size)}
    if maps:  # of one convolution, split into kinds
        cells = maps[0].partition('x')[2] or '26x26'
        drawn.add(f'{sum(int(size.partition("x")[0]) for size in maps)}x{cells}')
    assert drawn
    assert drawn <= sizes_of_network(re.match(r'\w+', title)[0])


@pytest.mark.parametrize('name', script.pictures())
def test_pictures_are_drawn_anew(name):
    """If this fails, run python docs/network_pictures.py."""
    text = script.pictures()[name]
    ElementTree.fromstring(text)
    assert (script.IMAGES / name).read_text() == text
