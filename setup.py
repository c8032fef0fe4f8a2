# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Packaging steps that need code; pyproject.toml holds all other settings.

mim looks for ``mmpose_ext/.mim`` (configs, tools, model-index.yml) next to the installed package:

- a wheel carries copies;
- an editable install gets links in the source tree, and, since mim looks in site-packages, a
  ``.mim/model-index.yml`` there that points back to the source tree.
"""

import base64
import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
MIM_PARTS = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """build_py that also puts ``.mim`` into the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self._link(ROOT / 'mmpose_ext' / '.mim')
        else:
            self._copy(Path(self.build_lib) / 'mmpose_ext' / '.mim')

    @staticmethod
    def _link(target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for part in MIM_PARTS:
            (target / part).symlink_to(os.path.relpath(ROOT / part, target))

    @staticmethod
    def _copy(target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for part in MIM_PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(
                    source, target / part, ignore=shutil.ignore_patterns('__pycache__', '*.pyc')
                )
            else:
                shutil.copyfile(source, target / part)


class EditableWithMim(editable_wheel):
    """editable_wheel whose wheel also holds ``mmpose_ext/.mim/model-index.yml``.

    The folder has no ``__init__.py``, so that it doesn't hide the package in the source tree.
    """

    def run(self) -> None:
        super().run()
        (wheel,) = Path(self.dist_dir).glob('*.whl')
        # one line for each metafile, by its absolute path in the source tree
        lines = [
            f'{line[: line.index("-")]}- {ROOT / line.split("-", 1)[1].strip()}'
            if line.lstrip().startswith('- ')
            else line
            for line in (ROOT / 'model-index.yml').read_text().splitlines()
        ]
        add_to_wheel(wheel, 'mmpose_ext/.mim/model-index.yml', '\n'.join(lines).encode() + b'\n')


def add_to_wheel(wheel: Path, name: str, content: bytes) -> None:
    """Add one file and its RECORD line to a wheel."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
    with tempfile.NamedTemporaryFile(dir=wheel.parent, delete=False) as temporary:
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(temporary, 'w') as new:
            for item in old.infolist():
                data = old.read(item)
                if item.filename.endswith('.dist-info/RECORD'):
                    data = f'{name},sha256={digest},{len(content)}\n'.encode() + data
                new.writestr(item, data)
            new.writestr(name, content)
    os.replace(temporary.name, wheel)


setup(
    packages=find_packages(include=['mmpose_ext', 'mmpose_ext.*']),
    package_dir={'': '.'},  # makes setuptools use a plain path entry for editable installs
    cmdclass={'build_py': BuildWithMim, 'editable_wheel': EditableWithMim},
)
