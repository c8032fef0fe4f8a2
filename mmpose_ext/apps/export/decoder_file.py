# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""One Python file, for numpy only, that decodes what an exported model gives.

It is put together from the sources of this package, so that there is one decoding and not two: the
codecs' own numpy modules, and beside them the parts that the codecs run in torch, in numpy.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import mmpose_ext
from mmpose_ext.utils.sequences import zip_equal

#: The file's name, beside the ONNX file.
DECODER_FILE = 'pose_decoding.py'
#: Modules in the order of the file; of the classes named only these methods.
PARTS = (
    'utils/sequences.py',
    'apps/export/numpy_frames.py',
    'apps/export/numpy_assignment.py',
    'codecs/disk_offset/kinematic_graph.py',
    'codecs/disk_offset/plotting.py',
    'codecs/disk_offset/scoring.py',
    'codecs/cluster_tag/grouping.py',
    'codecs/cluster_tag/places.py',
    'codecs/cluster_tag/decoding.py',
    'apps/export/numpy_disk_offset.py',
    'apps/export/numpy_cluster_tag.py',
    'apps/export/numpy_decoding.py',
)
HOST_METHODS = {'ClusterTagDecoder': ('__init__', 'find_people', '_identify')}
KNOWN = ('__future__', 'numpy', 'collections', 'itertools', 'typing', 'math', 'json')
HEADER = '''# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decodes what a model exported by `mmpose-ext export` gives. Needs numpy only.

    metadata = read_metadata(session)          # an onnxruntime.InferenceSession
    frame = person_frame(box, metadata)        # bottom-up: image_frame(width, height, metadata)
    crop = cv2.warpAffine(image, frame.matrix, frame.size)
    people = decode(session.run(None, {'images': crop[None]}), metadata, frame.size)
    keypoints = frame.to_image(people[0][0])

Made by mmpose_ext from its own sources; do not edit.
"""
'''


def decoder_source() -> str:
    """Put the file's text together.

    Raises:
        RuntimeError: If a module needs more than numpy.
    """
    imports, bodies = set(), []
    for part in PARTS:
        text = (Path(mmpose_ext.__file__).parent / part).read_text(encoding='utf-8')
        body = []
        for node in ast.parse(text).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports |= _outside(text, node)
            elif not _is_docstring(node):
                body.append(_source(text, node))
        bodies.append(f'# -- mmpose_ext/{part}\n\n' + '\n\n\n'.join(body))
    source = '\n\n\n'.join([HEADER + '\n' + '\n'.join(sorted(imports)), *bodies]) + '\n'
    _check(source)
    return source


def load_decoder() -> ModuleType:
    """Run the file's text as a module."""
    module = ModuleType('pose_decoding')
    exec(compile(decoder_source(), DECODER_FILE, 'exec'), module.__dict__)
    return module


def _outside(text: str, node: ast.Import | ast.ImportFrom) -> set[str]:
    """An import of the standard library or numpy as a line; others are left out."""
    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    inside = isinstance(node, ast.ImportFrom) and node.level > 0
    if inside or (module or '').split('.')[0] not in KNOWN:
        return set()
    return {ast.get_source_segment(text, node)}


def _source(text: str, node: ast.stmt) -> str:
    lines = text.splitlines()
    if isinstance(node, ast.ClassDef) and node.name in HOST_METHODS:
        kept = [lines[node.lineno - 1], '    """Of mmpose_ext.codecs: what runs in numpy."""']
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name in HOST_METHODS[node.name]:
                kept += ['', *lines[item.lineno - 1 : item.end_lineno]]
        return '\n'.join(kept)
    first = min([node.lineno, *(d.lineno for d in getattr(node, 'decorator_list', ()))])
    comment = first - 1
    while comment and lines[comment - 1].startswith('#:'):
        comment -= 1
    return '\n'.join(lines[comment : node.end_lineno])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _check(source: str) -> None:
    """Refuse a file that names what it does not have."""
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    missing = used & {'torch', 'Tensor', 'nn', 'scipy', 'cv2'}
    for name in HOST_METHODS:
        if f'class {name}' not in source:
            missing.add(name)
    if missing:
        raise RuntimeError(f'the decoder for numpy would need {sorted(missing)}')


def decoding_settings(codec: object) -> dict | None:
    """What the numpy decoder must know of a bottom-up codec; None for a top-down one."""
    kind = type(codec).__name__
    reader = getattr(importlib.import_module(__name__), f'_settings_of_{kind}', None)
    return None if reader is None else dict(codec=kind, **reader(codec))


def _settings_of_DiskOffset(codec: object) -> dict:
    from mmpose_ext.codecs.disk_offset.sampling import LEAST_OFFSET

    decoder = codec.decoder
    names = (
        'radius',
        'vote_threshold',
        'vote_spacing',
        'vote_step',
        'peak_threshold',
        'max_candidates',
        'keypoint_score',
        'nms',
        'nms_radius',
        'nms_threshold',
        'score_threshold',
    )
    return dict(
        {name: getattr(decoder, name) for name in names},
        input_size=list(codec.input_size),
        edges=[list(edge) for edge in codec.edges],
        sigmas=[float(sigma) for sigma in decoder.sigmas],
        plotter=_arguments(decoder.plotter, {'edges', 'num_keypoints'}),
        least_offset=LEAST_OFFSET,
    )


def _settings_of_ClusterTag(codec: object) -> dict:
    arguments = _arguments(codec.decoder, {'clusters'})
    arguments['order'] = [int(c) for c in arguments['order']]
    arguments['clusters'] = [[int(k) for k in cluster] for cluster in codec.clusters]
    stride = [n / cells for n, cells in zip_equal(codec.input_size, codec.heatmap_size)]
    return dict(arguments=arguments, stride=stride)


def _arguments(built: object, without: set[str]) -> dict:
    """What an object was built with: the arguments of its class that it holds under their names."""
    names = set(inspect.signature(type(built)).parameters) - without
    return {name: getattr(built, name) for name in sorted(names)}
