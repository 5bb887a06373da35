"""The command `rlvis features attack`."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.inputs import ANY_DEPTH, DepthWindow
from rlvis.cli.features.outputs import Files
from rlvis.cli.loading import USUAL, Network, agents_package, refuse_unused
from rlvis.cli.playing import EnvSource
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.features.adversarial.result import Attack, Attacks
    from rlvis.models.policy import Policy

_MEASURES = ("success_rate", "mean_return", "mean_length")


@dataclass(frozen=True)
class AttackOptions:
    """How pictures are changed; see `rlvis.features.attack`.

    Attributes:
        method: FGSM takes one step, PGD many.
        norm: how the change is measured: its largest value, or its length.
        eps: the change allowed, of 1 from black to white; the smallest that turns the decision is
            looked for when left out (for a policy's episodes 4/255).
        target: a label to be decided for; any other than now when left out.
        steps: of PGD.
        seed: of PGD's start, where a change is allowed.
    """

    method: Literal["fgsm", "pgd"] = "pgd"
    norm: Literal["linf", "l2"] = "linf"
    eps: Annotated[float | None, arg(aliases=["--size"])] = None
    target: str | None = None
    steps: int = 20
    seed: int = 0

    def check(self) -> None:
        """Refuse what the method does not read."""
        if self.method == "fgsm":
            refuse_unused("for fgsm, which takes one step", steps=self.steps != 20, seed=self.seed)

    def of_episodes(self) -> dict[str, Any]:
        """As `AttackedPolicy` takes them."""
        return {**asdict(self), "eps": 4 / 255 if self.eps is None else self.eps}

    def attacker(self) -> "Callable[..., Attack]":
        """What attacks pictures like this.

        Raises:
            InputError: if an option has no meaning beside the others.
        """
        from rlvis.features.adversarial.attacks import attack, smallest_attack

        options = asdict(self)
        if self.eps is not None:
            return partial(attack, **options)
        where = "where the smallest attack is looked for; it is for an --eps"
        refuse_unused(where, seed=self.seed)
        del options["eps"], options["seed"]
        return partial(smallest_attack, **options)


def command(
    pictures: Positional[tuple[Path, ...]] = (),
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    how: OmitArgPrefixes[AttackOptions] = AttackOptions(),
    attribution: str = "grad-cam",
    images: str | None = None,
    count: int = 4,
    depth: OmitArgPrefixes[DepthWindow] = ANY_DEPTH,
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    episodes: int = 50,
    files: OmitArgPrefixes[Files] = Files(Path("attack.png")),  # noqa: B008
) -> None:
    """Small changes of pictures that turn the decision; for a policy, what they do to its success.

    Args:
        pictures: files. Without any, and without --images, a policy is evaluated with every frame
            attacked.
        network: the network to look into.
        how: how pictures are changed.
        attribution: method shown before and after.
        images: in place of pictures a set of them, such as a recording.
        count: how many of the set, evenly drawn.
        depth: how pictures of more than 8 bits are seen.
        env: of a policy, the environment that it acts in.
        episodes: of a policy, how many to play with and without attack.
        files: what is written.
    """
    from rlvis.attribution.registry import get_method
    from rlvis.features.adversarial.attacked_policy import AttackEvaluation
    from rlvis.features.adversarial.result import Attacks

    plays = not pictures and images is None
    files.check(AttackEvaluation if plays else Attacks)
    get_method(attribution)
    how.check()
    if plays:
        refuse_unused("where a policy plays", count=count != 4, window=depth.window)
        files.write(_attack_episodes(_policy(network), how, env, episodes), attribution)
        return
    if pictures and images is not None:
        raise InputError("name either pictures or a set of images with --images")
    refuse_unused(
        "beside pictures: it is for a policy that plays",
        env=env.env,
        wrapper=env.wrappers,
        env_option=env.env_options,
        episodes=episodes != 50,
    )
    if images is None:
        refuse_unused("without --images", count=count != 4)
    attacker, inspected = how.attacker(), network.load()
    failures = list[InputError]()
    subjects: list[tuple[str, Any, Any]] = [
        (path.name, depth.picture(path), {}) for path in pictures
    ]
    if images is not None:
        subjects = _evenly_drawn(images, count, failures, depth)
    attacked = _attack_each(partial(attacker, inspected), subjects, failures)
    if attacked:
        files.write(attacked, attribution)
    if failures and attacked:
        raise InputError(f"{len(failures)} could not be attacked, the first: {failures[0]}")
    if failures:
        raise failures[0]


def _attack_each(
    ask: "Callable[..., Attack]",
    subjects: Sequence[tuple[str, Any, Any]],
    failures: list[InputError],
) -> "Attacks":
    """Attack pictures one after the other.

    Args:
        ask: attacks one.
        subjects: names, pictures, and what the model takes besides each.
        failures: takes what is wrong with those that cannot be attacked.
    """
    from rlvis.features.adversarial.result import Attacks
    from rlvis.progress import Progress, silent
    from rlvis.results import by_name

    attacked, names = list["Attack"](), list[str]()
    with stoppable_progress() as on_progress:
        for done, (name, picture, context) in enumerate(subjects, 1):
            try:
                attacked.append(ask(picture, context=context, on_progress=silent))
                names.append(name)
            except InputError as error:
                failures.append(error)
            on_progress(Progress("attacking", done, len(subjects), "pictures"))
    return Attacks(by_name(attacked, names))


def _policy(network: Network) -> "Policy":
    """A policy that is to play.

    Raises:
        InputError: if the name is none of a policy.
    """
    known = agents_package().shipped_policies()
    if not os.path.exists(network.model) and network.model not in known:
        raise InputError("no picture given; name at least one file, or a policy as --model")
    return network.load_policy()


def _attack_episodes(policy: "Policy", how: AttackOptions, env: EnvSource, episodes: int) -> Any:
    """Play with and without attack; what came of it."""
    from rlvis.features.adversarial.attacked_policy import AttackedPolicy, AttackEvaluation

    attacked, config = AttackedPolicy(policy, **how.of_episodes()), env.of(policy)
    played = {}
    for name, each in (("as it is", policy), ("attacked", attacked)):
        played[name] = agents_package().evaluate(
            each, config.environment, episodes, wrappers=config.wrappers, **config.options
        )
        print(f"{policy.name} {name}: {played[name]}")
    outcomes = {
        name: {
            **({} if each.success_rate is None else {"success": each.success_rate}),
            **each.action_shares,
        }
        for name, each in played.items()
    }
    measures = {
        name: {column: getattr(each, column) for column in _MEASURES}
        for name, each in played.items()
    }
    lines = [f"{name}: {each}" for name, each in played.items()]
    return AttackEvaluation(attacked, outcomes, measures, lines)


def _evenly_drawn(
    images: str, count: int, failures: list[InputError], depth: DepthWindow
) -> list[tuple[str, Any, Any]]:
    """Some pictures of a set, and what a model takes besides each; what cannot be read fails."""
    if count < 1:
        raise InputError(f"{count} images; at least one is needed")
    opened, drawn = depth.open_images(images), []
    for number in range(0, len(opened), max(1, len(opened) // count))[:count]:
        try:
            context = opened.context([number])
            drawn.append((opened.title(number), opened.picture(number), context))
        except InputError as error:
            failures.append(error)
    return drawn
