"""A policy beside a world that runs: what the page is told of it, and its answers."""

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.attribution.engine import explain
from rlvis.attribution.explanation import Explanation, Explanations
from rlvis.attribution.registry import get_method
from rlvis.errors import InputError
from rlvis.inspector.choices import colours_of, layers_of, methods_of
from rlvis.inspector.live_world import LiveWorld, places_in
from rlvis.inspector.maps import map_arrays, map_facts
from rlvis.models.policy import Decision, Policy
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.environments import EnvConfig, make_environment
from rlvis.rollouts.interventions import ask, offered

if TYPE_CHECKING:
    from gymnasium import Env

_PLAN = 8, 2048
_MOST_MAPS = 4


class LiveSource:
    """What the inspector shows of a world that runs.

    Args:
        policy: acts.
        config: the environment.
    """

    draws = True

    def __init__(self, policy: Policy, config: EnvConfig) -> None:
        self.policy, self._config = policy, config

    def open(self) -> LiveWorld:
        """A world of one's own."""
        return LiveWorld(self.policy, CheckedEnv(self._make(), self._config.environment))

    def info(self) -> dict[str, Any]:
        """Who acts, where, and what can be done."""
        return self._info

    def warm_up(self) -> None:
        """`info` has drawn already."""

    @cached_property
    def _info(self) -> dict[str, Any]:
        world = self.open()
        try:
            decision, arrays, _ = world.look()
            env = world.environment
            can = offered(env)
            lasting = can if callable(getattr(env.unwrapped, "change", None)) else ()
            context = {name: each[None] for name, each in decision.context.items()}
            places = places_in(env)
            return {
                "kind": "live",
                "title": f"{self.policy.name} in {self._config.environment}",
                "environment": self._config.environment,
                "policy": self.policy.name,
                "fingerprint": f"live {self._config.environment}",
                "actions": colours_of(self.policy.labels),
                "methods": methods_of(self.policy, decision.image, context),
                "layers": layers_of(self.policy, decision.image),
                "targets": ["chosen", *self.policy.labels, "margin", "entropy", "value"],
                "frame": list(arrays["frame"].shape),
                "objects": list(places) or (ask(env, "objects") if "objects" in can else []),
                "colours": dict(ask(env, "colours")) if "colours" in can else {},
                "surfaces": dict(ask(env, "surfaces")) if "surfaces" in can else {},
                "interventions": list(lasting),
                "states": world.has_states,
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
        decision, arrays, facts = world.look()
        maps: dict[str, Any] = {}
        for method, found in self._explained(decision, want).items():
            if isinstance(found, InputError):
                maps[method] = {"error": str(found)}
                continue
            each = map_arrays(found)
            arrays[f"maps:{method}"], arrays[f"scale:{method}"] = each["maps"][0], each["scale"][0]
            told = map_facts(found)
            maps[method] = {**told, **{name: told[name][0] for name in _BY_STEP}}
        drawn, where = world.plan(_size(want.get("plan")))
        facts = {**facts, **where, "maps": maps}
        facts |= {name: value for name, value in more.items() if name != "views"}
        facts["milliseconds"] = round((time.perf_counter() - begun) * 1e3, 2)
        return {**arrays, **drawn, **more.get("views", {})}, facts

    def _explained(
        self, decision: Decision, want: Mapping[str, Any]
    ) -> dict[str, Explanation | InputError]:
        """Maps by each method that is wanted, or why there are none; one pass for all if it can."""
        methods = list(dict.fromkeys(_texts(want, "methods")))[:_MOST_MAPS]
        try:
            return dict(self._explain(decision, methods, want)) if methods else {}
        except InputError as error:
            if len(methods) == 1:
                return {methods[0]: error}
        found: dict[str, Explanation | InputError] = {}
        for each in methods:
            found |= self._explained(decision, {**want, "methods": [each]})
        return found

    def _explain(
        self, decision: Decision, methods: Sequence[str], want: Mapping[str, Any]
    ) -> Explanations:
        targets = _texts(want, "targets") or list(self.policy.labels)
        options: dict[str, Any] = {}
        if decision.context:
            options["context"] = {name: each[None] for name, each in decision.context.items()}
        if want.get("layer") and any(get_method(each).reads_layer for each in methods):
            options["layer"] = str(want["layer"])
        if "chosen" in targets:
            options["taken"] = np.array([int(decision.logits.argmax())])
        return explain(
            self.policy, decision.image[None], methods=list(methods), target=targets, **options
        )

    def _make(self) -> "Env":
        config = self._config
        made = make_environment(config.environment, wrappers=config.wrappers, **config.options)
        if made.render_mode is None and "rgb_array" in (made.metadata.get("render_modes") or ()):
            made.close()
            options = {**config.options, "render_mode": "rgb_array"}
            made = make_environment(config.environment, wrappers=config.wrappers, **options)
        return made


_BY_STEP = ("targets", "scores", "notes")


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
