"""Where two policies part, as a page and as a film."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation
from rlvis.display.numbers import NOT_A_NUMBER
from rlvis.display.overlays import grey, limit, overlay
from rlvis.display.page import Page
from rlvis.display.shown import Shown
from rlvis.display.theme import label_colour
from rlvis.display.tiles import Row, Tile
from rlvis.images.frames import picture_of
from rlvis.models.policy import Policy
from rlvis.models.targets import margin
from rlvis.rollouts.episode import Episode
from rlvis.rollouts.film.side_by_side import Lane, LaneMaps, SideBySide, write_side_by_side
from rlvis.rollouts.header import Header
from rlvis.rollouts.pairs import Pair
from rlvis.rollouts.plan import usual_methods

_TILE = (168, 224)


Names = tuple[str, str]
Policies = tuple[Policy, Policy] | None


def comparison_page(
    title: str,
    names: Names,
    header: Header,
    moments: Sequence[tuple[Pair, int]],
    same_frames: bool,
    policies: Policies,
) -> Page:
    """A row for each moment: π and maps of both.

    Args:
        title: of the page.
        names: of the policies.
        header: of the first recording.
        moments: pairs of episodes, and a step of each.
        same_frames: whether the second was asked about the first one's frames.
        policies: the two, for maps; None for no maps.
    """
    lines = [
        "steps at which the preferences differ and π does most, unlike each other; in bits: the "
        "Jensen-Shannon divergence of the two, 0 to 1"
    ]
    method = _method(policies, moments[0][0].first) if policies else None
    if method:
        lines.append(
            f"maps: {method} of what the first prefers less what the second does, each network's "
            "own, drawn to one scale, and the second less the first"
        )
    rows = [_row(names, header, each, same_frames, policies, method) for each in moments]
    return Page(title, lines, rows)


def _row(
    names: Names,
    header: Header,
    moment: tuple[Pair, int],
    same_frames: bool,
    policies: Policies,
    method: str | None,
) -> Row:
    pair, step = moment
    parting = "never" if pair.parting is None else f"at step {pair.parting}"
    picture = picture_of(pair.first.observations[step], header.frames)
    tiles = [Tile(picture, Shown(episode=pair.number, step=step, headed=("episode",)))]
    sides = (pair.first, pair.second)
    if policies and method:
        maps = _maps(pair, step, policies, method)
        heats = [each.heatmaps[0, 0] for each in maps]
        most = max(map(limit, heats))
        for name, side, why, heat in zip(names, sides, maps, heats, strict=True):
            drawn = _drawn(picture, heat, 0.0 if why.notes[0][0] else most)
            tiles.append(_side(drawn, name, side, header, (pair.number, step), why))
        difference = heats[1] - heats[0]
        known = np.isfinite(difference).all()
        shows = Shown("their difference", notes=[] if known else [NOT_A_NUMBER])
        drawn = _drawn(picture, difference, limit(difference) if known else 0.0)
        tiles.append(Tile(drawn, shows))
    else:
        for name, side in zip(names, sides, strict=True):
            shown = picture_of(side.observations[step], header.frames)
            tiles.append(_side(shown, name, side, header, (pair.number, step)))
    ended = "" if same_frames else f"; {pair.first.outcome} and {pair.second.outcome}"
    note = f"they part {parting}; here by {pair.divergence[step]:.2f} bits{ended}"
    return Row(tiles, f"episode {pair.number}, seed {pair.first.seed}", note, tile=_TILE)


def _side(
    picture: np.ndarray,
    name: str,
    side: Episode,
    header: Header,
    where: tuple[int, int],
    why: Explanation | None = None,
) -> Tile:
    """What one of the two saw, or why the one action rather than the other.

    It is framed in the colour of what it prefers.
    """
    episode, step = where
    shows = Shown(
        by=name,
        method=why.method if why else "",
        target=why.targets[0][0] if why else "",
        episode=episode,
        step=step,
        notes=[_pi(side, step, header.actions), *(why.notes[0][0] if why else [])],
        headed=("method", "episode", "step"),
    )
    return Tile(picture, shows, label_colour(int(side.logits[step].argmax())))


def _method(policies: tuple[Policy, Policy], episode: Episode) -> str:
    """A class activation map that both networks have: plain CAM, else Grad-CAM."""
    image = episode.observations[0]
    context = {name: each[:1] for name, each in episode.context.items()}
    names = [str(usual_methods(each, image, context_for(each, context))[0]) for each in policies]
    return names[0] if names[0] == names[1] else "grad-cam"


def context_for(policy: Policy, context: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What of a recorded context a policy takes."""
    return {name: context[name] for name in (*policy.context, *policy.memory) if name in context}


def _maps(pair: Pair, step: int, policies: tuple[Policy, Policy], method: str) -> list[Explanation]:
    """Of both networks on one frame, why the one action rather than the other."""
    one, other = (int(side.logits[step].argmax()) for side in (pair.first, pair.second))
    if one == other:
        following = pair.first.logits[step].copy()
        following[one] = -np.inf
        other = int(following.argmax())
    context = {name: each[step : step + 1] for name, each in pair.first.context.items()}
    found = []
    for policy in policies:
        target = f"{policy.labels[one]} - {policy.labels[other]}"
        image, known = pair.first.observations[step], context_for(policy, context)
        found.append(explain(policy, image, method, target, context=known))
    return found


def preference_maps(policy: Policy, episode: Episode, seen: Episode) -> LaneMaps:
    """Why the preferred action rather than the next, at every step.

    Args:
        policy: whose maps they are.
        episode: what it did, or would have done.
        seen: what was seen, and known besides.
    """
    context = context_for(policy, seen.context)
    method = usual_methods(policy, episode.observations[0], {k: v[:1] for k, v in context.items()})
    why = explain(policy, episode.observations, method[0], margin(), context=context)
    notes = [each[0] for each in why.notes]
    return LaneMaps(f"{method[0]}: best − next", why.heatmaps[:, 0], why.signed, notes)


def _drawn(picture: np.ndarray, heat: np.ndarray, most: float) -> np.ndarray:
    return overlay(grey(picture), heat, most, signed=True)


def _pi(episode: Episode, step: int, actions: list[str]) -> str:
    shares = episode.probabilities[step]
    if not np.isfinite(shares).all():
        return ", ".join(f"{each:.2f}" for each in episode.logits[step][:3])
    ranked = np.argsort(-shares, kind="stable")[:3]
    return ", ".join(f"{actions[place]} {shares[place]:.2f}" for place in sorted(ranked))


def comparison_film(
    names: Names,
    header: Header,
    pairs: Sequence[Pair],
    same_frames: bool,
    policies: Policies,
    path: str | Path,
    **options: Any,
) -> Path:
    """The film of pairs of episodes, side by side.

    Args:
        names: of the policies.
        header: of the first recording.
        pairs: the episodes.
        same_frames: whether the second was asked about the first one's frames.
        policies: the two, for maps of the preferred action less the next; None for no maps.
        path: ends in .mp4 or .gif.
        options: of `write_side_by_side`.

    Raises:
        InputError: if the file cannot be written.
    """
    parts = [_lanes(names, header, pair, same_frames, policies) for pair in pairs]
    return write_side_by_side(parts, path, **options)


def _lanes(
    names: Names, header: Header, pair: Pair, same_frames: bool, policies: Policies
) -> SideBySide:
    parting = "they prefer the same throughout"
    if pair.parting is not None:
        parting = f"preferences part at step {pair.parting}"
    lanes = [
        Lane(
            name,
            "what it would do on the same frames" if place and same_frames else "",
            episode,
            header.actions,
            header.frames,
            maps=preference_maps(policies[place], episode, pair.first) if policies else None,
        )
        for place, (name, episode) in enumerate(zip(names, (pair.first, pair.second), strict=True))
    ]
    where = "the same frames" if same_frames else "the same seed"
    note = f"episode {pair.number}, seed {pair.first.seed}, {where}; {parting}"
    return SideBySide(header.environment.split(":")[-1], note, lanes)
