# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import DATASETS, MODELS

from mmpose_ext.apps.look.browsing import browse, browsed_dataset, predict_maps
from mmpose_ext.apps.main import main
from mmpose_ext.apps.shared.model_checks import default_scope
from mmpose_ext.apps.synthetic import generate
from mmpose_ext.utils.sequences import zip_equal

CODECS = {
    'UDPHeatmap': dict(input_size=(96, 128), heatmap_size=(24, 32), sigma=2),
    'CompositeLocalization': dict(input_size=(96, 128), draw_on_device=True),
    'FullResolutionHeatmap': dict(input_size=(96, 128), sigma=4),
    'DiskOffset': dict(input_size=(129, 129), map_size=(33, 33), radius=8, draw_on_device=True),
    'ClusterTag': dict(
        input_size=(128, 128), heatmap_size=(32, 32), clusters=5, draw_on_device=True
    ),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'set'
    return generate(out, dict(train=3, val=2, test=0), people=(2, 2), workers=1, progress=False)


@pytest.fixture
def config(root, data, tmp_path):
    """Return the demo's config with a codec and without augmentation."""

    def make(codec='UDPHeatmap'):
        cfg = Config.fromfile(root / 'configs' / 'demo' / 'attention_resnet18_128x96.py')
        encoder = dict(CODECS[codec], type=codec)
        if codec in ('DiskOffset', 'ClusterTag'):
            affine = dict(
                type='BottomupRandomAffine', input_size=encoder['input_size'], shift_prob=0,
                scale_factor=(1, 1), scale_type='long', rotate_prob=0,
            )  # fmt: skip
            steps = [dict(type='LoadImage'), affine]
        else:
            affine = dict(type='TopdownAffine', input_size=encoder['input_size'], use_udp=True)
            steps = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale'), affine]
        steps += [dict(type='GenerateTarget', encoder=encoder), dict(type='PackPoseInputs')]
        cfg.train_dataloader.dataset.pipeline = steps
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.dataset.data_root = str(data)
            if codec in ('DiskOffset', 'ClusterTag'):
                loader.dataset.data_mode = 'bottomup'
        path = tmp_path / f'{codec}.py'
        cfg.dump(path)
        return path

    return make


def changed(picture, image, dim=1.0):
    """Return which pixels differ from those of the darkened image."""
    return np.abs(picture.astype(int) - (image * dim).astype(int)).max(-1) > 25


@pytest.mark.parametrize('codec', CODECS)
def test_targets_are_drawn_at_the_people(config, tmp_path, codec):
    (path,) = browse(config(codec), tmp_path / 'out', number=1, zoom=1)
    picture = cv2.imread(str(path))
    width, height = CODECS[codec]['input_size']
    first = picture[16 : 16 + height, :width]
    second = picture[16 : 16 + height, width + 4 : 2 * width + 4]
    cfg = Config.fromfile(config(codec))
    with default_scope('mmpose'):
        item = DATASETS.build(browsed_dataset(cfg, 'train'))[0]
    people, image = item['data_samples'].gt_instances, item['inputs'].numpy().transpose(1, 2, 0)
    points = people.get('transformed_keypoints', people.keypoints)
    x, y = points[people.keypoints_visible > 0].round().astype(int).T
    inside = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    x, y = x[inside], y[inside]
    assert len(x) > 5
    assert changed(first, image)[y, x].mean() > 0.9  # the labeled keypoints
    targets = changed(second, image, dim=0.45)
    assert targets[y, x].mean() > 0.9
    far = np.ones((height, width), bool)
    for column, row in zip_equal(x, y):
        far[max(row - 40, 0) : row + 40, max(column - 40, 0) : column + 40] = False
    assert not far.any() or targets[far].mean() < 0.05


def test_command_numbers_splits_and_seeds(config, tmp_path, capsys):
    path = str(config())
    for name, more in {
        'a': ['--number', '2'], 'b': ['--number', '2'], 'val': ['--split', 'val', '--number', '1'],
        'late': ['--start', '3', '--number', '9'],
        'small': ['--number', '1', '--zoom', '1'],
    }.items():  # fmt: skip
        assert main(['browse', path, '--out', str(tmp_path / name), *more]) == 0
    files = {p.name: [f.name for f in sorted((tmp_path / p.name).iterdir())]
             for p in tmp_path.iterdir() if p.is_dir()}  # fmt: skip
    assert files['a'] == ['000000_image1.png', '000001_image1.png']
    assert files['val'] == ['000000_image1000001.png']
    assert files['late'][0].startswith('000003')
    same = [(tmp_path / d / files['a'][0]).read_bytes() for d in ('a', 'b')]
    assert same[0] == same[1]
    shapes = [cv2.imread(str(tmp_path / d / files['a'][0])).shape for d in ('a', 'small')]
    assert shapes[0][0] > 2 * shapes[1][0]


def test_pipeline_inside_wrappers(config, tmp_path):
    """The data set that has the pipeline is drawn, whatever wraps it."""
    path = config()
    cfg = Config.fromfile(path)
    plain = browse(path, tmp_path / 'plain', number=1)
    for name in ('train', 'val'):
        inner = cfg[f'{name}_dataloader'].dataset
        both = dict(type='ConcatDataset', datasets=[inner, inner])
        cfg[f'{name}_dataloader'].dataset = dict(type='RepeatDataset', times=2, dataset=both)
    wrapped = browse(cfg, tmp_path / 'wrapped', number=1)
    assert wrapped[0].read_bytes() == plain[0].read_bytes()
    assert browsed_dataset(cfg, 'val').type == inner.type


def test_predictions_and_attention_of_a_checkpoint(config, tmp_path):
    path = config()
    cfg = Config.fromfile(path)
    with default_scope('mmpose'):
        model = MODELS.build(cfg.model)
        meta = DATASETS.build(cfg.train_dataloader.dataset).metainfo
    model.init_weights()
    file = tmp_path / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta)), file)
    (plain,) = browse(path, tmp_path / 'plain', number=1, zoom=1)
    (both,) = browse(path, tmp_path / 'both', number=1, zoom=1, checkpoint=file, device='cpu')
    plain, both = cv2.imread(str(plain)), cv2.imread(str(both))
    row = 16 + 128
    assert (both[:row, : plain.shape[1]] == plain[:row]).all()
    # 4 spatial maps and 3 non-local ones in two rows of four
    assert both.shape[0] == 4 * row + 3 * 4 and both.shape[1] == 4 * 96 + 3 * 4
    other = both[row + 4 + 16 : 2 * row + 4, 100 : 100 + 96]
    assert (other != plain[16:row, 100 : 100 + 96]).any()  # predicted, not the target


def test_predicted_maps_are_what_the_head_decodes(config):
    cfg = Config.fromfile(config())
    with default_scope('mmpose'):
        model = MODELS.build(cfg.model).eval()
        item = DATASETS.build(browsed_dataset(cfg, 'train'))[0]
    decode = model.head.decode
    maps, people, _ = predict_maps(model, item, np.zeros((0, 2)))
    with torch.no_grad():
        batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
        inputs = model.data_preprocessor(batch, False)['inputs']
        expected = model(inputs, None, mode='tensor')[0].numpy()
    assert np.allclose(maps['heatmaps'], expected, atol=1e-6)
    keypoints, _ = model.head.decoder.decode(expected)
    assert np.allclose(people[0], keypoints[0], atol=1e-4)
    assert model.head.decode == decode


@pytest.mark.parametrize(
    'change, more, message',
    [
        (dict(), ['--start', '99'], '--start is 99, but the train set has '),
        (dict(), ['--number', '0'], '--number must be 1 or more'),
        (dict(), ['--checkpoint', 'missing.pth'], 'missing.pth'),
        (dict(train_dataloader=None), [], 'no train_dataloader'),
        (
            dict(train_dataloader=dict(dataset=dict(type='No'))),
            [],
            'set No cannot be built: KeyErr',
        ),
    ],
)
def test_errors_name_the_cause(config, tmp_path, capsys, change, more, message):
    cfg = Config.fromfile(config())
    cfg.merge_from_dict(change)
    cfg.dump(tmp_path / 'changed.py')
    assert main(['browse', str(tmp_path / 'changed.py'), '--out', str(tmp_path / 'o'), *more]) == 2
    assert message in capsys.readouterr().err


def test_a_pipeline_without_targets_is_refused(config, tmp_path):
    cfg = Config.fromfile(config())
    cfg.train_dataloader.dataset.pipeline = cfg.train_dataloader.dataset.pipeline[:3]
    with pytest.raises(ValueError, match='GenerateTarget'):
        browse(cfg, tmp_path)
