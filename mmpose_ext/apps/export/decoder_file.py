# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the folder next to an ONNX file that decodes the model's outputs in pure numpy.

It holds copies of this package's own numpy modules: the codecs' decoding and the image frames.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import mmpose_ext
from mmpose_ext.utils.atomic_files import write_atomically

#: The folder's name. Python imports it as a package.
DECODER_FOLDER = 'pose_decoding'
#: Folders in mmpose_ext, and the modules that are copied from there to the same relative path.
MODULES = {
    'apps/export': ('frames',),
    'codecs': (
        'map_checks',
        'numpy_decoding',
        'setting_checks',
        'cluster_tag/grouping',
        'cluster_tag/matching',
        'cluster_tag/numpy_maps',
        'cluster_tag/people',
        'cluster_tag/places',
        'cluster_tag/refinement',
        'cluster_tag/settings',
        'disk_offset/kinematic_graph',
        'disk_offset/numpy_maps',
        'disk_offset/plotting',
        'disk_offset/scoring',
        'disk_offset/settings',
    ),
}
PACKAGE = '''# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decode the outputs of a model exported by `mmpose-ext export`. Needs only numpy.

    metadata = read_metadata(session)          # an onnxruntime.InferenceSession
    frame = person_frame(box, metadata)        # bottom-up: image_frame(width, height, metadata)
    crop = cv2.warpAffine(image, frame.matrix, frame.size)
    people = decode(session.run(None, {'images': crop[None]}), metadata, frame.size)
    keypoints = frame.to_image(people[0][0])

The modules are copies of those of mmpose_ext; do not edit them.
"""

from .frames import Frame, image_frame, person_frame, read_metadata
from .numpy_decoding import BOTTOM_UP, decode

__all__ = ['BOTTOM_UP', 'Frame', 'decode', 'image_frame', 'person_frame', 'read_metadata']
'''


def write_decoder(folder: Path) -> Path:
    """Write the decoder's folder into ``folder``.

    Returns:
        Path: The decoder's folder.
    """
    source, target = Path(mmpose_ext.__file__).parent, folder / DECODER_FOLDER
    files = {f'{part}/__init__.py': b'' for part in ('cluster_tag', 'disk_offset')}
    for room, names in MODULES.items():
        files.update({f'{name}.py': (source / room / f'{name}.py').read_bytes() for name in names})
    files['__init__.py'] = PACKAGE.encode()
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target / name, content)
    return target


def decoding_settings(codec: object) -> dict | None:
    """Return the numpy decoder's settings for a bottom-up codec; None for a top-down one."""
    settings = getattr(codec, 'settings', None)
    return None if settings is None else dict(codec=settings.codec, settings=asdict(settings))
