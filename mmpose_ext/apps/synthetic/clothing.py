# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The look of a person: skin, hair, clothes and patterns. Colors are BGR, 0 to 255."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .canvas import PaintFunction

# Skin tones from light to dark, RGB.
_SKINS = np.array(
    [
        (255, 224, 196),
        (241, 194, 150),
        (224, 172, 125),
        (198, 134, 86),
        (150, 98, 60),
        (108, 70, 45),
        (78, 50, 36),
    ],
    np.float32,
)
_HAIRS = np.array(
    [
        (28, 22, 20),
        (60, 40, 26),
        (96, 62, 34),
        (150, 100, 50),
        (205, 165, 95),
        (150, 60, 30),
        (165, 160, 155),
        (70, 45, 95),
    ],
    np.float32,
)

PATTERNS = ('plain', 'hstripes', 'vstripes', 'check', 'dots', 'block', 'sash')


@dataclass
class Look:
    """The drawn attributes of one person.

    Garment lengths are fractions of the limb, 0 to 2: 1 is the elbow or knee, and 2 the wrist or
    ankle.
    """

    skin: np.ndarray
    hair: np.ndarray
    hair_style: str
    hat: str
    hat_color: np.ndarray
    glasses: bool
    beard: bool
    shirt: np.ndarray
    shirt_second: np.ndarray
    shirt_pattern: str
    pattern_scale: float
    sleeve: float
    neckline: str
    bottom: str
    bottom_color: np.ndarray
    bottom_length: float
    shoes: np.ndarray
    socks: np.ndarray
    backpack: bool
    backpack_color: np.ndarray


def color(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.15, 0.85),
    value: tuple[float, float] = (0.3, 1.0),
) -> np.ndarray:
    """Return a random color of any hue, (3,) float32."""
    hue, sat, val = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(hue, sat, val)[::-1], np.float32) * 255


def skin_color(rng: np.random.Generator) -> np.ndarray:
    """Return a skin tone between two neighbors on the scale, (3,) float32."""
    place = rng.uniform(0, len(_SKINS) - 1)
    low = min(int(place), len(_SKINS) - 2)
    tone = _SKINS[low] + (place - low) * (_SKINS[low + 1] - _SKINS[low])
    return np.clip(tone * rng.uniform(0.94, 1.04), 0, 255)[::-1].astype(np.float32)


def _unlike(
    rng: np.random.Generator,
    others: list[np.ndarray],
    least: float,
    **limits: tuple[float, float],
) -> np.ndarray:
    """Return a color at a distance of at least ``least`` from others, if one is found."""
    best, best_gap = None, -1.0
    for _ in range(8):
        new = color(rng, **limits)
        gap = min(np.abs(new - other).mean() for other in others)
        if gap > best_gap:
            best, best_gap = new, gap
        if gap > least:
            break
    return best


def _pick(rng: np.random.Generator, options: dict[str, float]) -> str:
    edges = np.cumsum(list(options.values()))
    return list(options)[int(np.searchsorted(edges, rng.random() * edges[-1], side='right'))]


def sample_look(rng: np.random.Generator) -> Look:
    """Return a random look, in which skin, shirt and trousers differ visibly."""
    skin = skin_color(rng)
    hair = _HAIRS[rng.integers(len(_HAIRS))][::-1] * np.float32(rng.uniform(0.85, 1.15))
    if np.abs(hair - skin).mean() < 35:
        hair = hair * 0.4
    shirt = _unlike(rng, [skin], 35)
    bottom = _pick(rng, {'trousers': 0.55, 'shorts': 0.25, 'skirt': 0.12, 'dress': 0.08})
    bottom_color = (
        shirt
        if bottom == 'dress'
        else _unlike(rng, [skin, shirt], 35, saturation=(0.05, 0.7), value=(0.12, 0.9))
    )
    return Look(
        skin=skin,
        hair=hair,
        hair_style=_pick(rng, {'short': 0.5, 'long': 0.22, 'bun': 0.1, 'tail': 0.1, 'bald': 0.08}),
        hat=_pick(rng, {'none': 0.8, 'cap': 0.12, 'beanie': 0.08}),
        hat_color=color(rng),
        glasses=rng.random() < 0.15,
        beard=rng.random() < 0.12,
        shirt=shirt,
        shirt_second=_unlike(rng, [shirt], 45),
        shirt_pattern=_pick(rng, dict(zip(PATTERNS, (0.42, 0.16, 0.08, 0.09, 0.08, 0.1, 0.07)))),
        pattern_scale=rng.uniform(0.8, 1.6),
        sleeve=(2.0, 0.6, 0.55, 1.3, 0.08)[rng.integers(5)],
        neckline=_pick(rng, {'round': 0.4, 'v': 0.25, 'open': 0.2, 'collar': 0.15}),
        bottom=bottom,
        bottom_color=bottom_color,
        bottom_length={
            'trousers': 1.92,
            'shorts': rng.uniform(0.45, 0.95),
            'skirt': rng.uniform(0.5, 1.0),
            'dress': rng.uniform(0.5, 1.0),
        }[bottom],
        shoes=_unlike(rng, [bottom_color, skin], 30, saturation=(0, 0.8), value=(0.08, 0.95)),
        socks=color(rng, saturation=(0, 0.5), value=(0.2, 1)),
        backpack=rng.random() < 0.12,
        backpack_color=color(rng),
    )


def pattern(look: Look) -> PaintFunction:
    """Return the shirt's paint in the trunk's frame.

    u runs across (left is positive) and v upwards, both in standing heights.
    """
    first, second = look.shirt, look.shirt_second
    wave = np.float32(2 * np.pi * 20 / look.pattern_scale)

    def paint(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        if look.shirt_pattern == 'hstripes':
            mix = np.sin(v * wave) + 0 * u
        elif look.shirt_pattern == 'vstripes':
            mix = np.sin(u * wave) + 0 * v
        elif look.shirt_pattern == 'check':
            mix = np.sin(u * wave) * np.sin(v * wave) * 1.5
        elif look.shirt_pattern == 'dots':
            mix = np.sin(u * wave) * np.sin(v * wave) - 0.35
        elif look.shirt_pattern == 'block':
            mix = (v - 0.17) * 40 + 0 * u
        elif look.shirt_pattern == 'sash':
            mix = 1.5 - np.abs(u - v + 0.16) * 50
        else:
            return first
        mix = np.clip(mix * 2 + 0.5, 0, 1)[..., None]
        return first + mix * (second - first)

    return paint
