# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Let a data set object return whole batches and seeded samples."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mmengine.dataset import BaseDataset

#: Attributes of an adapted object.
BATCHES, SEEDS = '_batches', '_sample_seeds'


def adapt(dataset: Any, **attributes: Any) -> None:
    """Let a data set use attributes ``_batches`` and ``_sample_seeds``, and set them.

    The object gets a subclass of its class instead of a wrapper, so hooks that inspect the data set
    or switch its pipeline still work.

    Args:
        dataset (Dataset): A data set; changed in place.
        **attributes: ``_batches``, such as a :class:`.BatchedPipeline`, prepares batches of the
            data sets that it serves. ``_sample_seeds``, a :class:`.SampleSeeds`, seeds each sample.
    """
    if own_class(dataset) is type(dataset):
        dataset.__class__ = _adapted(own_class(dataset))
    vars(dataset).update(attributes)


def check_class(dataset: Any) -> None:
    """Check that a data set's samples are what its pipeline returns.

    Raises:
        ValueError: If its class may change them, or makes batches of its own.
    """
    kind: Any = own_class(dataset)
    prepare = getattr(kind, 'prepare_data', None)
    known = getattr(prepare, '__module__', '').startswith(('mmengine.', 'mmpose.', 'mmpose_ext.'))
    if not known or getattr(kind, '__getitem__', None) is not BaseDataset.__getitem__:
        raise ValueError(f'{kind.__name__} may change its samples')
    if hasattr(kind, '__getitems__'):
        raise ValueError(f'{kind.__name__} makes batches of its own')


def own_class(dataset: Any) -> type:
    """Return the class that a data set had before it was adapted."""
    return vars(type(dataset)).get('_adapted_from', type(dataset))


@lru_cache(maxsize=None)
def _adapted(owner: type) -> type:
    """Return a subclass of a data set's class, for objects with the two attributes."""

    class Adapted(owner):
        _adapted_from = owner

        def __getitem__(self, index: int) -> Any:
            seeds = vars(self).get(SEEDS)
            if seeds is None:
                return super().__getitem__(index)
            with seeds.kept_streams():
                seeds.seed_sample(index)
                return super().__getitem__(index)

        def __getitems__(self, indices: list[int]) -> Any:
            """Return a batch or a list of samples, for torch's data loader."""
            batches = vars(self).get(BATCHES)
            if batches is not None and batches.serves(self):
                return batches(indices, self)
            if not hasattr(owner, '__getitems__'):
                return [self[index] for index in indices]
            seeds = vars(self).get(SEEDS)
            if seeds is None:
                return super().__getitems__(indices)
            with seeds.kept_streams():
                seeds.seed_sample(indices[0])  # for what it draws besides the samples
                return super().__getitems__(indices)

        def __reduce_ex__(self, protocol: Any) -> tuple:
            """Copy and pickle with a class that can be imported, and without seeds."""
            own: Any = getattr(owner, '__getstate__', None)
            plain = own in (None, getattr(object, '__getstate__', None))
            state = vars(self) if plain else own(self)
            if isinstance(state, dict):
                state = {key: value for key, value in state.items() if key != SEEDS}
            return (_new if BATCHES in vars(self) else owner.__new__), (owner,), state

    Adapted.__name__, Adapted.__qualname__ = owner.__name__, owner.__qualname__
    Adapted.__module__, Adapted.__doc__ = owner.__module__, owner.__doc__
    return Adapted


def _new(owner: type) -> Any:
    kind: Any = _adapted(owner)
    return kind.__new__(kind)
