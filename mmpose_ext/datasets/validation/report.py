# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The findings of a validation: counts per kind, a list by annotation id, JSON."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmpose_ext.utils.atomic_files import write_atomically

from .kinds import ERROR, FATAL, KINDS, SEVERITIES, WARNING, Finding
from .values import is_number

_SHOWN = 5


def some(items: Sequence) -> str:
    """Return the first few items as text for a message."""
    more = ', ...' if len(items) > _SHOWN else ''
    return ', '.join(str(item) for item in items[:_SHOWN]) + more


def by_kind(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group findings by kind (and ``what``), the most severe first, otherwise in order."""
    groups: dict[tuple, list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.item, finding.what), []).append(finding)
    return sorted(groups.values(), key=lambda group: SEVERITIES.index(group[0].severity))


def problem_text(group: list[Finding]) -> str:
    """Describe the findings of one kind in one line."""
    first = group[0]
    return KINDS[first.kind].template.format(
        count=len(group),
        item=first.item,
        ids=some([f.id for f in group]),
        what=first.what,
        first=first.detail,
    )


@dataclass
class Report:
    """The findings on one file.

    Attributes:
        ann_file (str): The annotation file.
        format (str): ``'coco'``, ``'mpii'`` or ``'lsp'``.
        depth (str): Depth of the checks; see :func:`validate`.
        findings (list[Finding]): All faults.
        images (int): Number of images in the file.
        annotations (int): Number of annotations in the file.
        people (int): Number of annotations that top-down training can use.
        files_checked (int): Number of image files checked.
        file_names (dict): File names of the images with faults, by image id.
    """

    ann_file: str
    format: str = ''
    depth: str = 'annotations'
    findings: list[Finding] = field(default_factory=list)
    images: int = 0
    annotations: int = 0
    people: int = 0
    files_checked: int = 0
    file_names: dict = field(default_factory=dict)

    def count(self, *severities: str) -> int:
        """Return the number of findings of the given severities, or of all without arguments."""
        return sum(not severities or f.severity in severities for f in self.findings)

    def is_ok(self, strict: bool = False) -> bool:
        """Return whether there are no errors and, with ``strict``, no warnings."""
        return not self.count(FATAL, ERROR, *([WARNING] if strict else []))

    def headline(self) -> str:
        """Summarize in one line what was checked and the number of faults."""
        counts = Counter(f.severity for f in self.findings)
        errors = counts[FATAL] + counts[ERROR]
        files = f', {self.files_checked} image files' if self.files_checked else ''
        return (
            f'{self.ann_file}: {self.images} images, {self.annotations} annotations, '
            f'{self.people} usable people{files}: '
            f'{errors or "no"} error(s), {counts[WARNING] or "no"} warning(s)'
        )

    def summary(self) -> list[str]:
        """Return one line per kind of fault, the most severe first."""
        return [
            f'{group[0].severity:<7} {group[0].kind}: {problem_text(group)}'
            for group in by_kind(self.findings)
        ]

    def by_annotation(self, limit: int | None = None) -> Iterator[str]:
        """Yield lines with each annotation's faults and its image's faults, in order of the ids.

        Args:
            limit (int, optional): Largest number of annotations and images. Defaults to all.
        """
        entries: dict[tuple, list[Finding]] = {}
        for finding in self.findings:
            for item, item_id in _owners(finding):
                entries.setdefault((item, item_id), []).append(finding)
        order = sorted(entries, key=_order)
        for item, item_id in order[:limit]:
            found = entries[item, item_id]
            yield self._title(item, item_id, found)
            for finding in found:
                text = ' '.join(filter(None, (finding.what, finding.detail)))
                yield f'  {finding.severity:<7} {finding.kind}' + (f': {text}' if text else '')
        if limit is not None and len(order) > limit:
            yield f'... and {len(order) - limit} more'

    def to_dict(self) -> dict:
        """Convert the report to plain values for JSON."""
        return dict(
            ann_file=self.ann_file,
            format=self.format,
            depth=self.depth,
            ok=self.is_ok(),
            images=self.images,
            annotations=self.annotations,
            people=self.people,
            files_checked=self.files_checked,
            errors=self.count(FATAL, ERROR),
            warnings=self.count(WARNING),
            kinds=[
                dict(
                    kind=group[0].kind,
                    severity=group[0].severity,
                    count=len(group),
                    text=problem_text(group),
                )
                for group in by_kind(self.findings)
            ],
            findings=[self._finding_dict(finding) for finding in self.findings],
        )

    def write(self, path: str | os.PathLike) -> None:
        """Write :meth:`to_dict` as JSON, completely or not at all."""
        write_atomically(Path(path), json.dumps(self.to_dict(), indent=1, allow_nan=False).encode())

    def _title(self, item: str, item_id: object, found: list[Finding]) -> str:
        if item == 'file':
            return 'file'
        images = [f.id if f.item == 'image' else f.image_id for f in found]
        image_id = next((image for image in images if image is not None), None)
        name = self.file_names.get(image_id) if is_number(image_id) else None
        if item == 'image':
            return f'image {item_id}' + (f' ({name})' if name else '') + ', no annotations'
        image = '' if image_id is None else f' (image {image_id}' + (f', {name})' if name else ')')
        return f'{item} {item_id}{image}'

    def _finding_dict(self, finding: Finding) -> dict:
        annotations = finding.annotation_ids
        image_id = finding.id if finding.item == 'image' else finding.image_id
        if finding.item == 'annotation':
            annotations = (finding.id,)
        return dict(
            kind=finding.kind,
            severity=finding.severity,
            item=finding.item,
            id=_plain(finding.id),
            annotation_ids=[_plain(a) for a in annotations],
            image_id=_plain(image_id),
            file_name=self.file_names.get(image_id) if is_number(image_id) else None,
            detail=' '.join(filter(None, (finding.what, finding.detail))),
        )


def _owners(finding: Finding) -> list[tuple]:
    """Return the entries that list a finding; an image's annotations, if it has any."""
    if finding.item == 'image' and finding.annotation_ids:
        return [('annotation', annotation_id) for annotation_id in finding.annotation_ids]
    return [(finding.item, finding.id)]


def _order(entry: tuple) -> tuple:
    item, item_id = entry
    place = ('file', 'annotation', 'detection', 'image').index(item)
    return place, not is_number(item_id), item_id if is_number(item_id) else 0, str(item_id)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str) or is_number(value) else repr(value)
