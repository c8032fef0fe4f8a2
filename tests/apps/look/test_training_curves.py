# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import cv2
import numpy as np
import pytest

from mmpose_ext.apps.look.training_curves import draw_curves, read_scalars
from mmpose_ext.apps.main import main


def write_run(work_dir, name, epochs, length=10, loss=1.0, cut=False):
    """Write a run's log like mmengine: every 5 iterations, with metrics after each epoch."""
    lines = []
    for epoch in epochs:
        for step in (5, 10):
            at = (epoch - 1) * length + step
            line = dict(lr=0.1 * loss / at, loss=loss / at, time=1.0, epoch=epoch, iter=at, step=at)
            lines.append(json.dumps(line))
        lines.append(json.dumps({'coco/AP': 0.1 * epoch / loss, 'time': 1.0, 'step': epoch}))
    text = '\n'.join(lines) + '\n' + ('{"loss": 0.1, "ep' if cut else '')
    folder = work_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(text)


def test_places_are_epochs(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2])
    curves, unit = read_scalars(tmp_path)
    assert unit == 'epoch' and set(curves) == {'lr', 'loss', 'coco/AP'}
    assert curves['loss'].tolist() == [[0.5, 1 / 5], [1, 1 / 10], [1.5, 1 / 15], [2, 1 / 20]]
    assert np.allclose(curves['coco/AP'], [[1, 0.1], [2, 0.2]])


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    write_run(tmp_path, '20260101_000000', [1, 2, 3], cut=True)
    write_run(tmp_path, '20260102_000000', [2, 3, 4], loss=2.0)
    curves, _ = read_scalars(tmp_path)
    assert curves['loss'][:, 0].tolist() == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    assert np.allclose(curves['loss'][1:3, 1], [1 / 10, 2 / 15])


def test_training_by_iterations(tmp_path):
    folder = tmp_path / 'run' / 'vis_data'
    folder.mkdir(parents=True)
    lines = [dict(loss=1.0, iter=50, step=50), dict(AP=0.3, step=100)]
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    curves, unit = read_scalars(tmp_path)
    assert unit == 'iteration'
    assert curves['loss'].tolist() == [[50, 1]] and curves['AP'].tolist() == [[100, 0.3]]


def test_picture_has_a_panel_a_scalar_and_a_line_a_training(tmp_path):
    write_run(tmp_path / 'a', 'run', [1, 2, 3])
    write_run(tmp_path / 'b', 'run', [1, 2, 3], loss=3.0)
    one = cv2.imread(str(draw_curves([tmp_path / 'a'], tmp_path / 'one.png')))
    assert main(['curves', str(tmp_path / 'a'), str(tmp_path / 'b'),
                 '--out', str(tmp_path / 'two.png'), '--log']) == 0  # fmt: skip
    two = cv2.imread(str(tmp_path / 'two.png'))
    blue, orange = np.array([180, 119, 31]), np.array([14, 127, 255])  # tab10, BGR
    for color, pictures in ((blue, [one, two]), (orange, [two])):
        for picture in pictures:
            thirds = np.array_split(picture, 3, axis=1)  # loss, lr, AP
            assert all((part == color).all(-1).any() for part in thirds)
    assert not (one == orange).all(-1).any()


@pytest.mark.parametrize('content, message', [(None, 'holds no'), ('{"loss": 0.', 'no numbers')])
def test_missing_and_empty_logs(tmp_path, capsys, content, message):
    if content:
        (tmp_path / 'r' / 'vis_data').mkdir(parents=True)
        (tmp_path / 'r' / 'vis_data' / 'scalars.json').write_text(content)
    assert main(['curves', str(tmp_path), '--out', str(tmp_path / 'out.png')]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out.png').exists()


def test_chosen_scalars(tmp_path, capsys):
    write_run(tmp_path / 'a', 'run', [1, 2, 3])
    command = ['curves', str(tmp_path / 'a'), '--out', str(tmp_path / 'out.png'), '--names']
    widths = []
    for names in (['loss'], ['loss', 'coco/AP']):
        assert main([*command, *names]) == 0
        widths.append(cv2.imread(str(tmp_path / 'out.png')).shape[1])
    assert widths[1] == 2 * widths[0]
    assert main([*command, 'AP']) == 2
    assert (
        '--names: no training logs AP; the folder has: loss, lr, coco/AP' in capsys.readouterr().err
    )
