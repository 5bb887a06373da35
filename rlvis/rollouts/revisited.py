"""Recorded episodes revisited: maps and pictures that were not kept are made when looked at."""

import tempfile
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvis.attribution.engine import Methods, choose_methods
from rlvis.attribution.explanation import Explanations
from rlvis.attribution.registry import get_method
from rlvis.building import Building
from rlvis.errors import InputError, Notice
from rlvis.memory import give_back_memory
from rlvis.models.policy import Policy
from rlvis.models.targets import TargetLike
from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.drawn_views import DrawnViews, NoViewError
from rlvis.rollouts.environments import make_environment
from rlvis.rollouts.episode import taken_of
from rlvis.rollouts.episode_writer import EpisodeWriter
from rlvis.rollouts.header import MethodRecord
from rlvis.rollouts.plan import ExplanationPlan
from rlvis.rollouts.providers import check_provider
from rlvis.rollouts.recorded import RecordedEpisodes
from rlvis.rollouts.recorded_maps import EpisodeExplanations
from rlvis.rollouts.recorded_policy import as_recorded, load_recorded
from rlvis.rollouts.store import Folder
from rlvis.rollouts.stored_episode import StoredEpisode

if TYPE_CHECKING:
    from gymnasium import Env

_ALL = slice(None)
_BLOCK = 64


class RevisitedEpisodes(RecordedEpisodes):
    """Recorded episodes whose policy and environment are found again."""

    _known_policy: Policy | None = None
    _own_environment = False
    _view: CheckedEnv | None = None

    def policy(self, given: Policy | None = None) -> Policy:
        """The policy that was recorded, its actions named as they were then.

        Args:
            given: it, where it is not to be found where it was loaded from.

        Raises:
            InputError: if it is not there any more, or another one.
        """
        if given is None and self._known_policy is not None:
            return self._known_policy
        loaded = load_recorded(self.header, self.title) if given is None else given
        first, stored = slice(1), self._stored(0)
        self._known_policy = as_recorded(
            loaded,
            self.header,
            self.title,
            stored.read("observation", first)[0],
            stored.named("context_", first),
            stored.read("logit", first)[0],
        )
        return self._known_policy

    def plan(
        self,
        methods: Methods | None = None,
        targets: TargetLike | Sequence[TargetLike] | None = None,
        *,
        layer: str | None = None,
        policy: Policy | None = None,
    ) -> ExplanationPlan:
        """What steps are explained by; see `explained` for the arguments and errors."""
        named = [] if methods is None else choose_methods(methods, None)[0]
        named = [get_method(each) for each in named]
        known, stored = self.policy(policy), self._stored(0)
        asked = targets if targets is not None else self.header.targets
        first = slice(1)
        image = stored.read("observation", first)[0]
        return ExplanationPlan.of(
            known, image, stored.named("context_", first), named, asked, layer
        )

    def explained(
        self,
        number: int,
        steps: slice = _ALL,
        methods: Methods | None = None,
        targets: TargetLike | Sequence[TargetLike] | None = None,
        *,
        layer: str | None = None,
        policy: Policy | None = None,
    ) -> Explanations:
        """Maps of steps of an episode: from the recording where they are there, else made now.

        Args:
            number: of the episode.
            steps: which of its steps.
            methods: those recorded when left out; where none is, the usual ones.
            targets: those recorded when left out, which are every action and "chosen" where
                nothing else was asked for.
            layer: for methods that read one.
            policy: the recorded one; found where it was loaded from when left out.

        Returns:
            An `Explanation` of the steps for each method, by its name.

        Raises:
            InputError: if there is no such episode, method or target, the policy is not there any
                more, or it is another than was recorded.
        """
        images = self.observations(number, steps)
        recorded = self.recorded_methods(methods, targets, layer)
        if recorded is not None:
            found = self.explanations(number)
            return Explanations(
                (each.name, found.explanation(each, images, steps)) for each in recorded
            )
        plan = self.plan(methods, targets, layer=layer, policy=policy)
        return self._explain(plan, number, steps)

    def explained_later(self, number: int, plan: ExplanationPlan) -> EpisodeExplanations:
        """The maps of a whole episode, made now, a few steps at a time.

        They lie on disk for as long as what is returned is held.

        Raises:
            InputError: if there is no such episode, or it is damaged.
        """
        stored, header = self._stored(number), plan.described(self.header)
        height, width = stored.open("observation").shape[1:3]
        building = Building.beside(Path(tempfile.gettempdir()).resolve() / "maps")
        maps = StoredEpisode(Folder(building.folder / "maps"), stored.title)
        weakref.finalize(maps, building.remove)
        writer = EpisodeWriter(maps.place, header)
        for start in range(0, stored.steps, _BLOCK):
            steps = slice(start, start + _BLOCK)
            writer.add_maps(list(self._explain(plan, number, steps).values()))
            give_back_memory()
        writer.close(stored.attributes)
        return EpisodeExplanations(maps, header, self.numbers(number), (height, width))

    def renders(self, number: int, steps: slice = _ALL) -> np.ndarray | None:
        """The environment's own view of steps, uint8 (n, h, w, 3): kept, or drawn from the states.

        None where it was not kept and cannot be drawn; a `Notice` says why it cannot. What is drawn
        is checked, see `rlvis.rollouts.drawn_views`.

        Raises:
            InputError: if there is no such episode, it is damaged, or the environment fails.
        """
        stored = self._stored(number)
        if "render" in stored:
            return stored.read("render", steps)
        if not self.header.states or not self._can_be_viewed():
            return None
        assert self._view is not None
        drawing = DrawnViews(self._view, stored, self.header.states)
        try:
            pictures = drawing.draw(range(stored.steps)[steps])
        except NoViewError as why:
            self._leave_views_out(f"episode {number}: {why}")
            return None
        return np.stack(pictures) if pictures else None

    def _leave_views_out(self, why: str) -> None:
        warnings.warn(
            f"the environment's own view is left out: {why}; rlvis.record(…, render=True) keeps it "
            "while playing",
            Notice,
            stacklevel=4,
        )

    def make_environment(self, *, trust: bool = False, **options: Any) -> "Env":
        """The environment as it was when it was recorded, made anew.

        Args:
            trust: import the package that the recording names, whichever it is.
            options: of its constructor, besides those it had.

        Raises:
            InputError: if it cannot be made, or lies in a package that a file may not name.
        """
        header = self.header
        if header.no_environment:
            raise InputError(
                f"the environment of {self.title} cannot be made again: {header.no_environment}"
            )
        if not (trust or self._own_environment):
            check_provider(header.environment, "--env", "recording")
            for each in header.wrappers:
                check_provider(each, "-w", "recording")
        return make_environment(
            header.environment, wrappers=header.wrappers, **{**header.env_options, **options}
        )

    def _can_be_viewed(self) -> bool:
        """Whether there is an environment to draw states with, which is made on first use."""
        if self.header.no_views:
            self._leave_views_out(self.header.no_views)
            return False
        if self._view is None:
            try:
                env = self.make_environment(render_mode="rgb_array")
            except InputError as error:
                warnings.warn(
                    f"the environment's own view is left out: {error}", Notice, stacklevel=3
                )
                return False
            weakref.finalize(self, env.close)
            self._view = CheckedEnv(env, self.header.environment)
            self._view.reset(0)
        return True

    def recorded_methods(
        self,
        methods: Methods | None = None,
        targets: TargetLike | Sequence[TargetLike] | None = None,
        layer: str | None = None,
    ) -> list[MethodRecord] | None:
        """The recorded methods that are asked for, None where maps have to be made.

        Args:
            methods: see `explained`.
            targets: see `explained`.
            layer: see `explained`.

        Raises:
            InputError: if there is no such method.
        """
        known = {each.name: each for each in self.header.methods}
        asked = list(known) if methods is None else choose_methods(methods, None)[0]
        names = [str(each) if str(each) in known else str(get_method(each)) for each in asked]
        if not names or not all(name in known for name in names):
            return None
        listed = [targets] if isinstance(targets, (str, int)) else targets
        if targets is not None and listed != self.header.targets:
            return None
        found = [known[name] for name in names]
        alike = layer is None or all(each.layer in (None, layer) for each in found)
        return found if alike else None

    def _explain(self, plan: ExplanationPlan, number: int, steps: slice) -> Explanations:
        """Steps of an episode explained now."""
        stored = self._stored(number)
        taken = taken_of(self.header.distribution, stored.read("action_taken", steps))
        images = stored.read("observation", steps)
        return plan.explain(images, stored.named("context_", steps), taken)
