"""An episode of each of two policies, and where they part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rlvis.errors import InputError
from rlvis.models.policy import Policy
from rlvis.rollouts.diversity import novelty, thumbnail
from rlvis.rollouts.episode import Episode

if TYPE_CHECKING:
    from rlvis.rollouts.recorded import RecordedEpisodes


@dataclass(frozen=True)
class Pair:
    """An episode of each policy.

    Attributes:
        number: of the episode in the first recording.
        first: what the first policy did.
        second: what the second did; on the same frames, what it would have done.
        shared: the steps, from 0 on, in which both saw the same.
    """

    number: int
    first: Episode
    second: Episode
    shared: int

    @cached_property
    def divergence(self) -> np.ndarray:
        """Float64 (shared,): the Jensen-Shannon divergence of π and π′, 0 to 1 bit.

        NaN for continuous actions.
        """
        one, other = (
            each.probabilities[: self.shared].astype(np.float64)
            for each in (self.first, self.second)
        )
        middle = (one + other) / 2
        choices = self.first.distribution.choices or (slice(None),)
        return np.max(
            [
                (_kl(one[:, each], middle[:, each]) + _kl(other[:, each], middle[:, each])) / 2
                for each in choices
            ],
            axis=0,
        )

    @cached_property
    def same_preference(self) -> np.ndarray:
        """Bool (shared,): whether both hold the same action for the likeliest."""
        one, other = (each.logits[: self.shared] for each in (self.first, self.second))
        choices = self.first.distribution.choices
        if not choices:
            return np.isclose(one, other, rtol=1e-3, atol=1e-3).all(axis=1)
        alike = [one[:, each].argmax(1) == other[:, each].argmax(1) for each in choices]
        return np.all(alike, axis=0)

    @property
    def parting(self) -> int | None:
        """The first step at which they prefer different actions; None where they never do."""
        apart = np.flatnonzero(~self.same_preference)
        return int(apart[0]) if len(apart) else None

    @property
    def widest(self) -> int:
        """The step at which they differ most of those at which they prefer different actions.

        Of all steps where they never do.
        """
        return int(self.apart.argmax())

    def wide(self, share: float = 0.8) -> list[int]:
        """The steps at which they differ at least by that share of the most."""
        most = self.apart.max()
        return [int(each) for each in np.flatnonzero(self.apart >= min(most, share * most))]

    @cached_property
    def apart(self) -> np.ndarray:
        """Float64 (shared,): the divergence, less 1 where they prefer the same."""
        return np.where(self.same_preference, -1.0, 0.0) + np.nan_to_num(self.divergence)


def asked(policy: Policy, recording: "RecordedEpisodes", number: int) -> Pair:
    """What a policy would have done in a recorded episode, step by step.

    Raises:
        InputError: if it sees other images, or needs what the recording does not hold.
    """
    episode = recording.episode(number)
    images = episode.observations
    expected = policy.observation_shape
    if expected is not None and tuple(expected) != images.shape[1:]:
        raise InputError(
            f"{policy.name} sees images of {tuple(expected)}, the recording holds "
            f"{images.shape[1:]}; compare policies that see the same"
        )
    missing = [name for name in policy.context if name not in episode.context]
    if missing:
        raise InputError(
            f"{policy.name} needs {', '.join(missing)} besides the image, which the recording does "
            "not hold; record it with this policy, and compare two recordings"
        )
    logits, values = _scores(policy, images, episode.context)
    then = replace(
        episode,
        logits=logits,
        values=values,
        distribution=policy.distribution,
        context={},
    )
    return Pair(number, episode, then, len(episode))


def _scores(
    policy: Policy, images: np.ndarray, context: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and values of T images, by a policy that remembers where it has memory."""
    known = {name: context[name] for name in policy.context}
    batch = 1 if policy.memory else 256
    memory = {name: each[None] for name, each in policy.blank_memory().items()}
    logits, values = [], []
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        scores = policy.scores(
            images[part], {**{name: each[part] for name, each in known.items()}, **memory}
        )
        memory = {name: each.float().cpu().numpy() for name, each in scores.memory.items()}
        logits.append(scores.logits.float().cpu().numpy())
        if scores.value is not None:
            values.append(scores.value.float().cpu().numpy())
    unknown = np.full(len(images), np.nan, np.float32)
    return np.concatenate(logits), np.concatenate(values) if values else unknown


def of_one_seed(
    recording: "RecordedEpisodes", other: "RecordedEpisodes", numbers: Sequence[int]
) -> list[Pair]:
    """The episodes of those numbers, beside those of the same seeds in another recording.

    Raises:
        InputError: if they share no seed, or start from other pictures.
    """
    by_seed = {other.episode(number).seed: number for number in other.readable()}
    pairs = []
    for number in numbers:
        first = recording.episode(number)
        if first.seed not in by_seed:
            continue
        second = other.episode(by_seed[first.seed])
        if first.observations.shape[1:] != second.observations.shape[1:]:
            raise InputError(
                f"one recording holds images of {first.observations.shape[1:]}, the other of "
                f"{second.observations.shape[1:]}; compare policies that see the same"
            )
        steps = min(len(first), len(second))
        same = (first.observations[:steps] == second.observations[:steps]).all(axis=(1, 2, 3))
        shared = steps if same.all() else int(same.argmin())
        if not shared:
            raise InputError(
                f"the episodes of seed {first.seed} begin with other pictures; record both in the "
                "same environment, with the same wrappers and options"
            )
        pairs.append(Pair(number, first, second, shared))
    if not pairs:
        raise InputError(
            "the recordings share no seed; record both with the same --seed, so that they start in "
            "the same worlds"
        )
    return pairs


def _kl(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The Kullback-Leibler divergence of rows, in bits."""
    ratio = np.divide(one, other, where=one > 0, out=np.ones_like(one))
    return (one * np.log2(ratio)).sum(axis=1)


def different_moments(pairs: Sequence[Pair], most: int) -> list[tuple[Pair, int]]:
    """A step of each of so many pairs at which the two differ much, seen things unlike each other.

    The first is that at which they differ most.
    """
    left = sorted(pairs, key=lambda pair: -float(pair.apart.max()))
    chosen: list[tuple[Pair, int]] = []
    seen: list[np.ndarray] = []
    while left and len(chosen) < most:
        steps = [
            (pair, step)
            for pair in left[: 4 * most]
            for step in (pair.wide() if chosen else [pair.widest])[:: max(1, pair.shared // 20)]
        ]
        thumbs = [thumbnail(pair.first.observations[step]) for pair, step in steps]
        place = int(novelty(thumbs, seen).argmax()) if chosen else 0
        chosen.append(steps[place])
        seen.append(thumbs[place])
        left.remove(steps[place][0])
    return chosen
