# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Small models of all papers agree with float64 in float32, channels last and bfloat16.

The measure for a map is the largest difference divided by the largest value in float64, for a loss
the relative difference, and for all gradients together the relative length of the difference. The
same seed must give the same result.
"""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.models import build_pose_estimator
from small_models import MODELS, enliven

from mmpose_ext.engine.fast_training_hook import use_bfloat16
from mmpose_ext.utils.sequences import zip_equal

#: kind of numbers: bounds of maps, losses and gradients (the smallest maps here are of 3x2 cells,
#: over which batch norm's gradients are ill-conditioned)
BOUNDS = {
    'float32': (1e-4, 1e-4, 0.1),
    'channels last': (1e-4, 1e-4, 0.1),
    'bfloat16': (0.15, 0.1, None),  # it has 8 bits, which bounds no gradients through many layers
}
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def images_and_samples(codec, people):
    """Make two images, and samples as the training pipeline packs them."""
    rng = np.random.default_rng(0)
    if codec['type'] == 'ClusterTag':  # a head with several codecs draws its own targets
        codec = dict(codec, draw_on_device=True)
    width, height = codec['input_size']
    samples = []
    for _ in range(2):
        name = 'transformed_keypoints' if people == 1 else 'keypoints'
        results = dict(
            img=np.zeros((height, width, 3), np.uint8),
            keypoints_visible=(rng.random((people, 17)) < 0.9).astype(np.float32),
            dataset_keypoint_weights=np.ones((people, 17), np.float32),
            flip_indices=FLIP,
        )
        points = rng.uniform(0.1, 0.9, (people, 17, 2)) * (width, height)
        results[name] = points.astype(np.float32)
        packed = PackPoseInputs()(GenerateTarget(encoder=copy.deepcopy(codec))(results))
        samples.append(packed['data_samples'])
    images = rng.normal(size=(2, 3, height, width))
    return torch.from_numpy(images), samples


@pytest.fixture(scope='module')
def make():
    """Return ``make(kind)``: network, images, samples and float64 results, computed once."""
    made = {}

    def build(kind):
        if kind not in made:
            init_default_scope('mmpose')
            torch.manual_seed(0)
            network = build_pose_estimator(MODELS[kind]())
            network.init_weights()
            enliven(network)
            codec = MODELS[kind]()['head']['decoder']
            people = 1 if MODELS[kind]()['type'] == 'TopdownPoseEstimator' else 2
            images, samples = images_and_samples(codec, people)
            network.double()
            expected = results(copy.deepcopy(network), images, samples, 'float64')
            made[kind] = network.float(), images.float(), samples, expected
        network, *rest = made[kind]
        return copy.deepcopy(network), *rest

    return build


@pytest.fixture(autouse=True, scope='module')
def _mse_of_two_dtypes():
    """Let mmpose's loss accept float64 maps and float32 targets, which torch < 2.4 cannot."""
    original = F.mse_loss

    def mse_loss(maps, targets, **settings):
        return original(maps, targets.to(maps.dtype), **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, 'mse_loss', mse_loss)
        yield


def results(network, images, samples, precision):
    """Return the maps in test mode, the losses and the gradients of their sum, in float64."""
    is_half = precision == 'bfloat16'
    network.eval()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=is_half):
        maps = flat(network(images, samples, mode='tensor'))
    network.train()
    if is_half:
        use_bfloat16(network, images.device)
    losses = network(images, samples, mode='loss')
    losses = {name: value for name, value in losses.items() if 'loss' in name}
    sum(losses.values()).backward()
    gradients = [p.grad.double().flatten() for p in network.parameters() if p.grad is not None]
    return maps, {name: value.item() for name, value in losses.items()}, torch.cat(gradients)


def flat(maps):
    """Return all tensors in nested lists and dicts, as float64."""
    if isinstance(maps, torch.Tensor):
        return [maps.double()]
    parts = maps.values() if isinstance(maps, dict) else maps
    return [tensor for part in parts for tensor in flat(part)]


def differences(found, expected):
    """Return the largest relative difference of maps and of losses, and of the gradients."""
    maps = max(
        ((a - b).abs().max() / b.abs().max()).item() for a, b in zip_equal(found[0], expected[0])
    )
    assert found[1].keys() == expected[1].keys()
    losses = max(abs(found[1][n] - v) / max(abs(v), 1e-6) for n, v in expected[1].items())
    gradients = ((found[2] - expected[2]).norm() / expected[2].norm()).item()
    return maps, losses, gradients


@pytest.mark.parametrize('precision', BOUNDS)
@pytest.mark.parametrize('kind', MODELS)
def test_agrees_with_float64(kind, precision, make):
    network, images, samples, expected = make(kind)
    assert all(values.std() > 1e-3 * values.abs().max() for values in expected[0])
    if precision == 'channels last':
        network = network.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    found = differences(results(network, images, samples, precision), expected)
    print(kind, precision, found)
    for difference, bound in zip_equal(found, BOUNDS[precision]):
        assert bound is None or difference <= bound
    if precision == 'bfloat16':
        assert max(found) > 1e-4  # it was computed in bfloat16


@pytest.mark.parametrize('kind', MODELS)
def test_same_seed_same_result(kind):
    """Weights, losses, gradients and two training steps are the same to the last bit."""
    ends = []
    for _ in range(2):
        init_default_scope('mmpose')
        torch.manual_seed(3)
        np.random.seed(3)
        settings = MODELS[kind]()
        network = build_pose_estimator(settings)
        network.init_weights()
        people = 1 if settings['type'] == 'TopdownPoseEstimator' else 2
        images, samples = images_and_samples(settings['head']['decoder'], people)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        network.train()
        for _ in range(2):
            losses = network(images.float(), samples, mode='loss')
            optimizer.zero_grad()
            sum(value for name, value in losses.items() if 'loss' in name).backward()
            optimizer.step()
        ends.append((network.state_dict(), losses))
    for first, second in zip_equal(*ends):
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(second[name])), name
