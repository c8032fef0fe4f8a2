# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The interface of all codecs here: they draw targets in torch, on the model's device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from mmpose.codecs.base import BaseKeypointCodec
from torch import Tensor

from mmpose_ext.utils.maps import Maps

from .map_checks import refuse_non_finite
from .packed_samples import carried_by_all, pixel_fields, stack_people, stack_pixels
from .sample_checks import clean_auxiliary, clean_keypoints
from .setting_checks import check_flag, check_size


class BaseTorchCodec(BaseKeypointCodec):
    """A keypoint codec that draws targets and decodes maps in batched torch code.

    A subclass implements two methods. Both take a batch on any device:

    - :meth:`draw`: keypoints (B, N, K, 2) in input pixels and weights (B, N, K) -> a dict of
      target tensors, named in ``map_names`` and ``label_names``.
    - :meth:`locate`: the model's maps -> keypoints (B, N, K, 2) and scores (B, N, K). For
      multi-person codecs it also returns one score per person (B, N).

    mmpose's whole codec interface (:meth:`encode`, :meth:`decode`, :meth:`batch_decode`) is built
    on these two, so the data worker and the device always draw the same targets.

    One switch in the training pipeline's codec decides where the target is drawn::

        GenerateTarget(encoder=dict(type=..., draw_on_device=False))  # the data worker draws
        GenerateTarget(encoder=dict(type=..., draw_on_device=True))   # only points leave the worker

    A head asks its own codec for the targets (:meth:`targets`) and gets the same tensors either
    way: the contents of the samples decide. The points are enough for any codec, so a model with
    several codecs needs only one ``GenerateTarget`` with a ``draw_on_device=True`` encoder.

    In addition to the keypoints, a codec may draw from auxiliary inputs, named in mmpose's
    ``auxiliary_encode_keys``. These are arrays with one row per person, (N, ...), and images
    (h, w) or (C, h, w), such as a map of instances. Images are also named in ``pixel_names``. With
    ``draw_on_device`` the arrays travel as instance labels (padded to the batch's largest N) and
    the images as pixel fields. An auxiliary input that the sample lacks (None) is not passed to
    :meth:`draw`.

    Frames: input pixels outside, map cells inside; x before y. A pixel's coordinate is its center.

    Args:
        input_size (tuple[int, int]): Size of the network's input in [w, h].
        draw_on_device (bool): Whether :meth:`encode` passes on only the keypoints and their weights
            (12 bytes per keypoint), so that the head draws the target on its device. Defaults to
            False, as in mmpose: the data worker draws.
    """

    #: Drawn tensors of shape (B, C, h, w), which must all have one size (h, w).
    map_names: tuple[str, ...] = ()
    #: Names in ``map_names`` that only training needs, to mask the loss. They are not decoded.
    mask_names: tuple[str, ...] = ()
    #: Drawn tensors of shape (B, N, ...) other than ``keypoint_weights``.
    label_names: tuple[str, ...] = ()
    #: Names in ``auxiliary_encode_keys`` that are images (h, w) or (C, h, w), not rows of people.
    pixel_names: tuple[str, ...] = ()

    def __init__(self, input_size: Sequence[int], draw_on_device: bool = False) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_size(name, 'input_size', input_size)
        self.draw_on_device = check_flag(name, 'draw_on_device', draw_on_device)
        self._constants: dict[torch.device, Maps] = {}

    # -- a subclass implements these ---------------------------------------------------------------

    @abstractmethod
    def draw(self, keypoints: Tensor, weights: Tensor, **auxiliary: Tensor) -> Maps:
        """Draw the training targets of a batch.

        Args:
            keypoints (Tensor): (B, N, K, 2) float32 in input pixels, finite throughout.
            weights (Tensor): (B, N, K) float32; 0 for an unlabeled keypoint and for the rows
                that pad an image with fewer than N people.
            **auxiliary (Tensor): Those of ``auxiliary_encode_keys`` that the samples have:
                (B, N, ...) for per-person arrays, (B, C, h, w) for images (C = 1 where the sample's
                is (h, w)).

        Returns:
            dict[str, Tensor]: The tensors named in ``map_names`` and ``label_names``, and
            ``keypoint_weights`` (B, N, K) where they differ from ``weights``.
        """

    @abstractmethod
    def locate(self, maps: Maps) -> tuple[Tensor | list[Tensor], ...]:
        """Find the keypoints in a batch of maps.

        Args:
            maps (dict[str, Tensor]): (B, C, h, w) each, float32, on one device.

        Returns:
            tuple: keypoints (B, N, K, 2) in input pixels and scores (B, N, K), as tensors, or as
            lists of B tensors (or arrays) where N differs between images. Multi-person codecs may
            add the scores of the people (B, N), by which the people are ranked.
        """

    def make_constants(self) -> Maps:
        """Build on the CPU the constant tensors that :meth:`draw` and :meth:`locate` use."""
        return {}

    def finite_sum(self, maps: Maps, scores: Tensor | list) -> Tensor:
        """Sum the maps that :meth:`locate` reads, so that one number shows any NaN or infinity.

        A codec may sum fewer values, if its :meth:`locate` reads only small parts of large maps or
        if its ``scores`` (B, K) are the maps' maxima, which NaN and infinity reach.
        """
        return sum(value.sum() for value in maps.values())

    def flip(self, maps: Maps, flip_indices: Sequence[int]) -> Maps:
        """Turn the maps of a mirrored input back into the frame of the original.

        This default suits maps of K channels, or groups of K channels, that hold no directions. It
        mirrors them and swaps the left and right keypoints.

        Args:
            maps (dict[str, Tensor]): (B, C, h, w) each, C a multiple of K.
            flip_indices (Sequence[int]): K indices, the left-right partner of each keypoint.

        Returns:
            dict[str, Tensor]: Maps of the same shapes.
        """
        return {name: flip_channels(value, flip_indices) for name, value in maps.items()}

    # -- mmpose's interface -----------------------------------------------------------------------

    @property
    def decoded_names(self) -> tuple[str, ...]:
        """The maps that a model predicts and :meth:`locate` reads, in this order."""
        return tuple(name for name in self.map_names if name not in self.mask_names)

    @property
    def field_mapping_table(self) -> dict:
        """The fields that PackPoseInputs packs as pixel data."""
        names = self.pixel_names if self.draw_on_device else self.map_names
        return {name: name for name in names}

    @property
    def label_mapping_table(self) -> dict:
        """The fields that PackPoseInputs packs as instance labels."""
        names: tuple[str, ...] = ('keypoint_weights',)
        if self.draw_on_device:
            names += ('target_keypoints', *self._people_names)
        else:
            names += self.label_names
        return {name: name for name in names}

    def encode(
        self,
        keypoints: np.ndarray,
        keypoints_visible: np.ndarray | None = None,
        **auxiliary: np.ndarray | None,
    ) -> dict[str, np.ndarray]:
        """Encode one sample (mmpose's interface; runs in the data worker).

        Args:
            keypoints (np.ndarray): (N, K, D) in input pixels; only x and y are used.
            keypoints_visible (np.ndarray, optional): (N, K), above 0 where labeled, else 0.
                Defaults to all ones.
            **auxiliary (np.ndarray, optional): (N, ...) for per-person arrays, (h, w) or (C, h, w)
                for images, see :meth:`draw`. None means that the input is missing.

        Returns:
            dict[str, np.ndarray]: The result of :meth:`draw` without the batch dimension. With
            ``draw_on_device`` instead ``target_keypoints`` (N, K, 2), ``keypoint_weights`` (N, K)
            and the auxiliary arrays, with images as (C, h, w).

        Raises:
            ValueError: If the shapes do not match, a labeled keypoint is not finite, or a
                visibility is negative or not finite.
        """
        name = type(self).__name__
        points, weights = clean_keypoints(name, keypoints, keypoints_visible)
        auxiliary = clean_auxiliary(name, auxiliary, self.pixel_names)
        if self.draw_on_device:
            return dict(target_keypoints=points, keypoint_weights=weights, **auxiliary)
        with torch.inference_mode():
            drawn = self.draw(
                torch.from_numpy(points)[None],
                torch.from_numpy(weights)[None],
                **{name: torch.as_tensor(value)[None] for name, value in auxiliary.items()},
            )
        encoded = {name: value.numpy()[0] for name, value in drawn.items()}
        encoded.setdefault('keypoint_weights', weights)
        return encoded

    def batch_decode(self, *batch_encoded: Tensor | Maps) -> tuple[list, ...]:
        """Decode a batch of maps on their device. Only coordinates and scores are copied off it.

        Args:
            *batch_encoded: A dict of maps (B, C, h, w), or the maps in the order of
                ``decoded_names``.

        Returns:
            tuple: Lists of B arrays, keypoints (N, K, 2) in input pixels and scores (N, K). A third
            list holds the scores of the people (N,) if :meth:`locate` returns them (as in mmpose's
            AssociativeEmbedding). ``BaseHead.decode`` only handles two lists, so the head of such a
            codec packs the third itself, as ``bbox_scores``, for CocoMetric.

        Raises:
            ValueError: If a map is missing, or holds NaN or infinite values.
        """
        maps = self._named(batch_encoded)
        with torch.no_grad(), torch.autocast(_first(maps).device.type, enabled=False):
            maps = {name: value.detach().float() for name, value in maps.items()}
            keypoints, scores, *people = self.locate(maps)
            # NaN and infinity survive a sum: one number to check, after the coordinates
            total = self.finite_sum(maps, scores)
            if isinstance(keypoints, Tensor):
                assert isinstance(scores, Tensor)
                found = torch.cat([keypoints, scores[..., None]], -1).cpu().numpy()
                results = [list(found[..., :2]), list(found[..., 2])]
            else:
                results = [_to_arrays(keypoints), _to_arrays(scores)]
            results += [_to_arrays(values) for values in people]
            if not torch.isfinite(total):
                arrays = {name: value.cpu().numpy() for name, value in maps.items()}
                refuse_non_finite(type(self).__name__, arrays)
        return tuple(results)

    def decode(self, encoded: np.ndarray | dict) -> tuple[np.ndarray, ...]:
        """Decode one sample (mmpose's interface).

        Args:
            encoded (np.ndarray | dict[str, np.ndarray]): The map (C, h, w), or a dict of maps as
                returned by :meth:`encode`. Other entries are ignored.

        Returns:
            tuple: keypoints (N, K, 2) in input pixels, scores (N, K) and, if :meth:`locate`
            returns them, the scores of the people (N,).
        """
        if not isinstance(encoded, dict):
            encoded = {self.map_names[0]: encoded}
        maps = {k: torch.as_tensor(encoded[k])[None] for k in self.decoded_names if k in encoded}
        return tuple(values[0] for values in self.batch_decode(maps))

    # -- a head uses these ------------------------------------------------------------------------

    def targets(
        self,
        batch_data_samples: Sequence,
        device: torch.device | str | None = None,
        level: int | None = None,
    ) -> Maps:
        """Return the training targets of a batch, stacked from the workers' or drawn here.

        Args:
            batch_data_samples (Sequence[PoseDataSample]): B samples packed by PackPoseInputs.
            device (torch.device | str, optional): Device on which the targets are drawn and
                returned. Defaults to the device of the samples.
            level (int, optional): Which worker-side encoder's maps to take if GenerateTarget
                ran with ``multilevel=True``.

        Returns:
            dict[str, Tensor]: The tensors of :meth:`draw` with ``keypoint_weights``, on ``device``,
            float32. Images with fewer people are padded with people of weight 0.

        Raises:
            KeyError: If the samples carry neither points nor this codec's targets, or if some
                samples carry an auxiliary input that others lack.
        """
        codec, samples = type(self).__name__, batch_data_samples
        labels = [sample.gt_instance_labels for sample in samples]
        fields = [pixel_fields(sample, level) for sample in samples]
        if 'target_keypoints' in labels[0]:
            points = stack_people(samples, 'target_keypoints', device, level)
            weights = stack_people(samples, 'keypoint_weights', device, level)
            auxiliary = {
                name: stack_people(samples, name, device, level)
                for name in self._people_names
                if carried_by_all(codec, labels, name)
            }
            auxiliary.update(
                (name, stack_pixels(fields, name, device))
                for name in self.pixel_names
                if carried_by_all(codec, fields, name)
            )
            return self._draw(points, weights, auxiliary)
        if any(name not in fields[0] for name in self.map_names):
            raise KeyError(
                f'{codec}: the samples carry neither target_keypoints nor all of the maps '
                f'{self.map_names}. Use this codec as the encoder of GenerateTarget, before '
                'PackPoseInputs, in the training pipeline.'
            )
        targets = {name: stack_pixels(fields, name, device) for name in self.map_names}
        for name in ('keypoint_weights', *self.label_names):
            targets[name] = stack_people(samples, name, device, level)
        return targets

    def merge_flipped(self, maps: Maps, flipped: Maps, flip_indices: Sequence[int]) -> Maps:
        """Average the maps of an input with those of its mirror image (flip test)."""
        flipped = self.flip(flipped, flip_indices)
        return {name: (value + flipped[name]) * 0.5 for name, value in maps.items()}

    def constants(self, device: torch.device) -> Maps:
        """Return the tensors of :meth:`make_constants` on a device, copied there once."""
        if device not in self._constants:
            with torch.inference_mode(False):  # they serve outside encode as well
                constants = self.make_constants()
                self._constants[device] = {name: v.to(device) for name, v in constants.items()}
        return self._constants[device]

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _people_names(self) -> tuple[str, ...]:
        """The auxiliary inputs with one row per person."""
        return tuple(sorted(set(self.auxiliary_encode_keys) - set(self.pixel_names)))

    def _draw(self, points: Tensor, weights: Tensor, auxiliary: Maps) -> Maps:
        with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
            drawn = self.draw(points, weights, **auxiliary)
            drawn.setdefault('keypoint_weights', weights)
            return drawn

    def _named(self, batch_encoded: tuple) -> Maps:
        if len(batch_encoded) == 1 and isinstance(batch_encoded[0], dict):
            maps = {k: v for k, v in batch_encoded[0].items() if k in self.decoded_names}
        else:
            maps = dict(zip(self.decoded_names, batch_encoded))
        if len(maps) < len(self.decoded_names):
            missing = [name for name in self.decoded_names if name not in maps]
            raise ValueError(f'{type(self).__name__}: maps to decode are missing: {missing}.')
        return maps


def flip_channels(maps: Tensor, flip_indices: Sequence[int]) -> Tensor:
    """Mirror maps (B, G * K, h, w) of G groups of K keypoints and swap left and right.

    Raises:
        ValueError: If the number of channels is not a multiple of K.
    """
    groups, rest = divmod(maps.shape[1], len(flip_indices))
    if rest or not groups:
        raise ValueError(
            f'{maps.shape[1]} channels cannot be flipped by flip_indices of {len(flip_indices)} '
            "keypoints: the head's out_channels and the data set's metainfo must agree."
        )
    index = torch.as_tensor(flip_indices, device=maps.device)
    return maps.unflatten(1, (groups, -1))[:, :, index].flatten(1, 2).flip(-1)


def _to_arrays(values: Tensor | Sequence[Tensor | np.ndarray]) -> list[np.ndarray]:
    """Copy a batch's results (B, ...) or B of them to the CPU."""
    if isinstance(values, Tensor):
        return list(values.cpu().numpy())
    return [v.cpu().numpy() if isinstance(v, Tensor) else v for v in values]


def _first(maps: Maps) -> Tensor:
    return next(iter(maps.values()))
