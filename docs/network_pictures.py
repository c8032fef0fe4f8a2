# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw the networks of the five papers: `python docs/network_pictures.py` writes docs/images/*.svg.

Sizes are channels x height x width of one image, for the config that a picture is named after.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

IMAGES = Path(__file__).resolve().parent / 'images'
WIDTH, HEIGHT, GAP_X, GAP_Y = 116, 42, 26, 26
COLORS = dict(data='#eeeeee', known='#cfe0f5', new='#ffd9a8', maps='#cdebc8')

# name: (title, nodes {id: (column, row, kind, text, second line)}, arrows 'from to')
NETWORKS = {
    'attention': (
        'attention_resnet50_256x192: the module (orange) after C2 to C5',
        {
            'image': (0, 0, 'data', 'image', '3x256x192'),
            'stem': (1, 0, 'known', 'ResNet stem', '64x64x48'),
            'c2': (2, 0, 'known', 'C2', '256x64x48'),
            'a2': (2, 1, 'new', 'attention', ''),
            'c3': (3, 0, 'known', 'C3', '512x32x24'),
            'a3': (3, 1, 'new', 'attention', ''),
            'c4': (4, 0, 'known', 'C4', '1024x16x12'),
            'a4': (4, 1, 'new', 'attention', ''),
            'c5': (5, 0, 'known', 'C5', '2048x8x6'),
            'a5': (5, 1, 'new', 'attention', ''),
            'deconv': (6, 1, 'known', '3 deconvolutions', '256x64x48'),
            'heatmaps': (6, 2, 'maps', 'heatmaps', '17x64x48'),
            'f': (0, 2.4, 'data', 'features F', 'CxHxW'),
            'channel': (1, 2.4, 'new', 'channel weights', 'from covariance'),
            'spatial': (2, 2.4, 'new', 'spatial weights', '7x7 convolution'),
            'nonlocal': (3, 2.4, 'new', 'non-local block', 'Gaussian'),
            'out': (4, 2.4, 'data', 'refined F', 'CxHxW'),
        },
        'image stem, stem c2, c2 a2, a2 c3, c3 a3, a3 c4, c4 a4, a4 c5, c5 a5, a5 deconv, '
        'deconv heatmaps, f channel, channel spatial, spatial nonlocal, nonlocal out',
    ),
    'composite_localization': (
        'clnet_resnet50_256x192: no fourth stage, no up-sampling',
        {
            'image': (0, 0.5, 'data', 'image', '3x256x192'),
            'stem': (1, 0.5, 'known', 'ResNet stem', '64x64x48'),
            'c2': (2, 0.5, 'known', 'C2', '256x64x48'),
            'c3': (3, 0.5, 'known', 'C3', '512x32x24'),
            'c4': (4, 0.5, 'known', 'C4', '1024x16x12'),
            'b': (5, 0, 'new', 'dilated bottleneck', 'with projection'),
            'a': (5, 1, 'new', 'dilated bottleneck', '1024x16x12'),
            'plain': (6, 1, 'new', 'bottleneck', '1024x16x12'),
            'conv': (6, 0, 'new', '3x3 convolution', '51x16x12'),
            'heatmaps': (7, 0, 'maps', 'sparse heatmaps', '17x16x12'),
            'offsets': (7, 1, 'maps', 'offsets x, y', '34x16x12'),
        },
        'image stem, stem c2, c2 c3, c3 c4, c4 b, b a, a plain, plain conv, conv heatmaps, '
        'conv offsets',
    ),
    'full_resolution': (
        'frsbn_resnet34_256x192: context blocks (gc), SA-MFCD, five decoders',
        {
            'image': (0, 0, 'data', 'image', '3x256x192'),
            'stem': (1, 0, 'known', 'ResNet stem', '64x64x48'),
            'c2': (2, 0, 'known', 'C2 + gc', '64x64x48'),
            'c3': (3, 0, 'known', 'C3 + gc', '128x32x24'),
            'c4': (4, 0, 'known', 'C4 + gc', '256x16x12'),
            'c5': (5, 0, 'known', 'C5 + gc', '512x8x6'),
            'neck': (3, 1, 'new', 'SA-MFCD', '32 channels'),
            'd1': (5, 2, 'new', 'decoder 1 + gc', '256x16x12'),
            'd2': (4, 2, 'new', 'decoder 2 + gc', '256x32x24'),
            'd3': (3, 2, 'new', 'decoder 3 + gc', '256x64x48'),
            'd4': (2, 2, 'new', 'decoder 4', '128x128x96'),
            'd5': (1, 2, 'new', 'decoder 5', '32x256x192'),
            'heatmaps': (0, 2, 'maps', 'heatmaps', '17x256x192'),
        },
        'image stem, stem c2, c2 c3, c3 c4, c4 c5, c2 neck, c3 neck, c4 neck, c5 d1, d1 d2, '
        'd2 d3, d3 d4, d4 d5, d5 heatmaps, neck d2, neck d3, neck d4',
    ),
    'disk_offset': (
        'strongpose_resnet101_401x401, training (output stride 16; 8 in testing)',
        {
            'image': (0, 1, 'data', 'image', '3x401x401'),
            'c3': (1, 1, 'known', 'ResNet to C3', '512x51x51'),
            'c4a': (2, 1, 'known', 'first half of C4', '1024x26x26'),
            'c4b': (3, 1, 'known', 'second half of C4', '1024x26x26'),
            'c5': (4, 1, 'known', 'C5, dilated', '2048x26x26'),
            'middle': (2, 2.2, 'new', '1x1 convolutions', 'training only'),
            'head': (5, 1, 'new', '1x1 convolutions', '150x26x26'),
            'disks': (6, -1, 'maps', 'disk heatmaps', '17'),
            'body': (6, 0, 'maps', 'body heatmap', '1'),
            'short': (6, 1, 'maps', 'short offsets', '34'),
            'mid': (6, 2, 'maps', 'mid offsets', '64'),
            'long': (6, 3, 'maps', 'long offsets', '34'),
        },
        'image c3, c3 c4a, c4a c4b, c4b c5, c5 head, c4a middle, head disks, head body, '
        'head short, head mid, head long',
    ),
    'cluster_tag': (
        'cluster_hourglass4_512x512: one of four stacks; its input joins the sum; '
        'the last ends at its maps',
        {
            'image': (0, 1.5, 'data', 'stem, or last stack', '256x128x128'),
            'glass': (1, 1.5, 'known', 'hourglass', '256x128x128'),
            'dd': (2, 0, 'new', 'dense, detection', '1 heatmap, 255'),
            'dt': (2, 1, 'new', 'dense, tags', '1 tag map, 255'),
            'sd': (2, 2, 'new', 'sparse, detection', '17 heatmaps, 239'),
            'st': (2, 3, 'new', 'sparse, tags', '17 tag maps, 239'),
            'din': (3, 0, 'new', 'in-branch', 'tags join'),
            'sin': (3, 2, 'new', 'in-branch', 'tags join'),
            'cross': (4, 0, 'new', 'cross-branch', 'sparse joins dense'),
            'sum': (5, 1.5, 'known', 'sum', '256x128x128'),
            'next': (6, 1.5, 'data', 'next stack', '256x128x128'),
        },
        'image glass, glass dd, glass dt, glass sd, glass st, dd din, dt din, sd sin, st sin, '
        'din cross, sin cross, cross sum, dt sum, sin sum, st sum, glass sum, sum next',
    ),
}


def draw(title: str, nodes: dict, arrows: str) -> str:
    """Draw one network as SVG text."""
    top = min(row for _, row, *_ in nodes.values())
    corners = {
        name: (8 + column * (WIDTH + GAP_X), 34 + (row - top) * (HEIGHT + GAP_Y))
        for name, (column, row, *_) in nodes.items()
    }
    width = max(x for x, _ in corners.values()) + WIDTH + 8
    height = max(y for _, y in corners.values()) + HEIGHT + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        f'<text x="8" y="20">{escape(title)}</text>',
    ]
    for arrow in arrows.split(','):
        parts.append(_arrow(*(corners[name] for name in arrow.split())))
    for name, (_, _, kind, text, size) in nodes.items():
        parts.append(_box(*corners[name], COLORS[kind], text, size))
    return '\n'.join([*parts, '</svg>', ''])


def _box(x: float, y: float, color: str, text: str, size: str) -> str:
    middle = x + WIDTH / 2
    first = y + (HEIGHT / 2 + 4 if not size else HEIGHT / 2 - 4)
    lines = f'<text x="{middle:g}" y="{first:g}" text-anchor="middle">{escape(text)}</text>'
    if size:
        lines += (
            f'<text x="{middle:g}" y="{first + 16:g}" text-anchor="middle" font-size="11" '
            f'fill="#444444">{escape(size)}</text>'
        )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{color}" '
        f'stroke="#555555"/>{lines}'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Draw a line between the sides of two boxes that face each other."""
    (x1, y1), (x2, y2) = start, end
    if abs(x2 - x1) > 1:
        ahead = x2 > x1
        points = (x1 + WIDTH * ahead, y1 + HEIGHT / 2, x2 + WIDTH * (not ahead), y2 + HEIGHT / 2)
    else:
        below = y2 > y1
        points = (x1 + WIDTH / 2, y1 + HEIGHT * below, x2 + WIDTH / 2, y2 + HEIGHT * (not below))
    a, b, c, d = (f'{value:g}' for value in points)
    return f'<path d="M{a} {b}L{c} {d}" stroke="#333333" marker-end="url(#tip)"/>'


def pictures() -> dict[str, str]:
    """Return the pictures' contents by file name."""
    return {f'network-{name}.svg': draw(*network) for name, network in NETWORKS.items()}


if __name__ == '__main__':
    for name, text in pictures().items():
        (IMAGES / name).write_text(text)
