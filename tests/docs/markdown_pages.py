# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read the documentation's Markdown: links, shell commands, and the blocks that tests run."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / 'docs').glob('*.md')) + [
    ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')
]
MARKED = re.compile(r'<!-- (file|run): (\S+) -->\n```\w*\n(.*?)^```$', re.S | re.M)


def name_of(path: Path) -> str:
    """Return a page's path in the checkout, for the tests' ids."""
    return str(path.relative_to(ROOT))


def tokens_of(page: Path) -> list:
    """Return Markdown's tokens, including those inside paragraphs and tables."""
    tokens = MarkdownIt().enable('table').parse(page.read_text())
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def links_of(page: Path) -> list[str]:
    """Return the targets of the links and pictures."""
    attributes = [token.attrs for token in tokens_of(page) if token.type in ('link_open', 'image')]
    return [attrs.get('href') or attrs['src'] for attrs in attributes]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a code host gives to the headings."""
    tokens = MarkdownIt().parse(page.read_text())
    titles = [
        following.content
        for token, following in zip(tokens, tokens[1:])
        if token.type == 'heading_open'
    ]
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


def commands_of(page: Path) -> list[str]:
    """Return the lines of code blocks without a language, and code within the text."""
    found = []
    for token in tokens_of(page):
        if token.type == 'fence' and not token.info:
            found += token.content.replace('\\\n', ' ').splitlines()
        elif token.type == 'code_inline':
            found.append(token.content)
    return found


def marked_blocks(page: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return blocks under ``<!-- file: NAME -->`` (joined by name) and ``<!-- run: NAME -->``."""
    blocks: dict[str, dict[str, str]] = dict(file={}, run={})
    for kind, name, content in MARKED.findall(page.read_text()):
        before = blocks[kind].get(name)
        blocks[kind][name] = content if before is None else f'{before}\n\n{content}'
    return blocks['file'], blocks['run']
