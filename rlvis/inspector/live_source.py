"""A policy beside a world that runs: what the page is told of it, and its answers."""

import itertools
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rlvis.attribution.explanation import Explanation, Explanations
from rlvis.errors import InputError
from rlvis.evaluation.audit_files import AuditFile
from rlvis.inspector.album import Album, Place, Seen, SeenImages
from rlvis.inspector.audited import told_of
from rlvis.inspector.choices import (
    bounded_by,
    colours_of,
    is_choice,
    layers_of,
    methods_of,
    targets_of,
)
from rlvis.inspector.futures import Chance, told
from rlvis.inspector.live_world import LiveWorld, places_in
from rlvis.inspector.maps import explain_seen, first_facts, map_arrays, still_of
from rlvis.inspector.unit_networks import Edit, edited
from rlvis.models.policy import Policy
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.compatibility import at_home, check_compatible
from rlvis.rollouts.environments import EnvConfig, make_environment
from rlvis.rollouts.interventions import ask, offered
from rlvis.rollouts.recorded_policy import fingerprint

_PLAN = 8, 2048
_MOST_MAPS = 4
_KEPT = 512
"""Pictures that the policy saw last, in all worlds together."""


class LiveSource:
    """What the inspector shows of a world that runs.

    Args:
        policy: acts.
        config: the environment.
        audit: of the policy.

    Raises:
        InputError: if the audit is of another policy.
    """

    draws = True

    def __init__(
        self, policy: Policy, config: EnvConfig, *, audit: AuditFile | None = None
    ) -> None:
        self.model, self._config, self.audit = policy, config, audit
        if audit is not None:
            audit.check_of(policy.name, fingerprint(policy))
        self._album = Album("this world", _KEPT)
        self._worlds: dict[int, LiveWorld] = {}
        self._numbers = itertools.count()
        self._is_settled = False

    def open(self) -> LiveWorld:
        """A world of one's own, until it is closed."""
        leads_back, number = self._info["states"], next(self._numbers)
        world = LiveWorld(self.model, self._env(), number, self._album, leads_back)
        self._worlds[number] = world
        return world

    def close(self, world: LiveWorld) -> None:
        """Close a world."""
        del self._worlds[world.number]
        world.close()

    def seen(self, place: Place) -> Seen:
        """What the policy saw at a moment of a world."""
        return self._album.at(place)

    def images(self) -> SeenImages:
        """What it saw lately, in all worlds."""
        return self._album.images()

    def still(self, place: Place, want: Mapping[str, Any]) -> bytes:
        """The maps that are wanted of this moment as one picture, a PNG.

        Raises:
            InputError: if one cannot be made, or the world is elsewhere by now.
        """
        seen, _, facts = self._now(place).look()
        return still_of(self._explain(seen, facts["would"], want, _texts(want, "methods")))

    def play_with(self, place: Place, edits: Sequence[Edit], chance: Chance) -> dict[str, Any]:
        """How a world goes on from this moment with units held, and without.

        Raises:
            InputError: if there is no such unit, or the world is elsewhere by now, or has no
                states.
        """
        world = self._now(place)
        changed = edited(self.model, *self.seen(place), edits)
        (after,), (before,) = (world.play_on([None], chance, by) for by in (changed, None))
        return {**told(after), "before": told(before)}

    def _now(self, place: Place) -> LiveWorld:
        """The world that is at a place now."""
        world = self._worlds.get(place[0])
        if world is None or world.at != place[1]:
            raise InputError("the world has gone on since; ask again where it is now")
        return world

    def info(self) -> dict[str, Any]:
        """Who acts, where, and what can be done."""
        return self._info

    def warm_up(self) -> None:
        """`info` has drawn already."""

    @cached_property
    def _info(self) -> dict[str, Any]:
        world = LiveWorld(self.model, self._env(), 0, Album("", 1))
        try:
            (image, context), arrays, facts = world.look()
            env = world.environment
            can = offered(env)
            lasting = can if callable(getattr(env.unwrapped, "change", None)) else ()
            places = places_in(env)
            return {
                "kind": "live",
                "title": f"{self.model.name} in {self._config.environment}",
                "environment": self._config.environment,
                "policy": self.model.name,
                "fingerprint": f"live {self._config.environment}",
                "actions": colours_of(self.model.labels),
                **told_of(self.audit, methods_of(self.model, image, context)),
                "layers": layers_of(self.model, image),
                "targets": targets_of(self.model, bool(np.isfinite(facts["value"]))),
                "choice": is_choice(self.model.distribution),
                "bounded_by": bounded_by(self.model.distribution),
                "frame": list(arrays["frame"].shape),
                "objects": list(places) or (ask(env, "objects") if "objects" in can else []),
                "colours": dict(ask(env, "colours")) if "colours" in can else {},
                "surfaces": dict(ask(env, "surfaces")) if "surfaces" in can else {},
                "interventions": list(lasting),
                "states": world.find_way_back(),
            }
        finally:
            world.close()

    def answer(
        self, world: LiveWorld, want: Mapping[str, Any], more: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the page wants to see of this moment: arrays and facts.

        Args:
            world: it.
            want: methods, targets, layer and the plan's size, as the page asks for them.
            more: facts besides, and arrays under "views".
        """
        begun = time.perf_counter()
        seen, arrays, facts = world.look()
        maps: dict[str, Any] = {}
        for method, found in self._explained(seen, facts["would"], want).items():
            if isinstance(found, InputError):
                maps[method] = {"error": str(found)}
                continue
            each = map_arrays(found)
            arrays[f"maps:{method}"], arrays[f"scale:{method}"] = each["maps"][0], each["scale"][0]
            maps[method] = first_facts(found)
        drawn, where = world.plan(_size(want.get("plan")))
        facts = {**facts, **where, "maps": maps}
        facts |= {name: value for name, value in more.items() if name != "views"}
        facts["milliseconds"] = round((time.perf_counter() - begun) * 1e3, 2)
        return {**arrays, **drawn, **more.get("views", {})}, facts

    def _explained(
        self, seen: Seen, taken: int | None, want: Mapping[str, Any]
    ) -> dict[str, Explanation | InputError]:
        """Maps by each method that is wanted, or why there are none; one pass for all if it can."""
        methods = list(dict.fromkeys(_texts(want, "methods")))[:_MOST_MAPS]
        try:
            return dict(self._explain(seen, taken, want, methods)) if methods else {}
        except InputError as error:
            if len(methods) == 1:
                return {methods[0]: error}
        found: dict[str, Explanation | InputError] = {}
        for each in methods:
            found |= self._explained(seen, taken, {**want, "methods": [each]})
        return found

    def _explain(
        self, seen: Seen, taken: int | None, want: Mapping[str, Any], methods: Sequence[str]
    ) -> Explanations:
        targets = _texts(want, "targets") or list(self.model.labels)
        layer = str(want["layer"]) if want.get("layer") else None
        return explain_seen(self.model, seen, methods, targets, layer, taken)

    def _env(self) -> CheckedEnv:
        """An environment of one's own that shows itself where it can; the first names the actions.

        Raises:
            InputError: if it cannot be made, or the policy cannot act in it.
        """
        config = self._config
        made = make_environment(config.environment, wrappers=config.wrappers, **config.options)
        if made.render_mode is None and "rgb_array" in (made.metadata.get("render_modes") or ()):
            made.close()
            options = {**config.options, "render_mode": "rgb_array"}
            made = make_environment(config.environment, wrappers=config.wrappers, **options)
        if not self._is_settled:
            check_compatible(self.model, made, config.environment)
            self.model, self._is_settled = at_home(self.model, made), True
        return CheckedEnv(made, config.environment)


def _texts(want: Mapping[str, Any], name: str) -> list[str]:
    listed = want.get(name)
    return [str(each) for each in listed] if isinstance(listed, list) else []


def _size(given: Any) -> tuple[int, int]:
    """The plan's width and height as the page wants it, within bounds."""
    if not (isinstance(given, list) and len(given) == 2 and all(isinstance(n, int) for n in given)):
        return 360, 270
    low, high = _PLAN
    width, height = (min(max(each, low), high) for each in given)
    return width, height
