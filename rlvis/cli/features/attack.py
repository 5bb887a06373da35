"""The command `rlvis features attack`."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from rlvis.cli.bars import stoppable_progress
from rlvis.cli.features.outputs import check_outputs, write_outputs
from rlvis.cli.loading import (
    USUAL,
    Network,
    agents_package,
    open_image_set,
    picture_through,
    refuse_unused,
)
from rlvis.cli.playing import EnvSource
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.features.adversarial.result import Attack, Attacks
    from rlvis.models.policy import Policy


_MEASURES = ("success_rate", "mean_return", "mean_length")


def command(
    pictures: Positional[tuple[Path, ...]] = (),
    /,
    network: OmitArgPrefixes[Network] = USUAL,
    method: Literal["fgsm", "pgd"] = "pgd",
    norm: Literal["linf", "l2"] = "linf",
    eps: Annotated[float | None, arg(aliases=["--size"])] = None,
    target: str | None = None,
    steps: int = 20,
    seed: int = 0,
    attribution: str | None = None,
    images: str | None = None,
    count: int = 4,
    window: str | None = None,
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    episodes: int = 50,
    out: Path = Path("attack.png"),
    data: Path | None = None,
) -> None:
    """Small changes of pictures that turn the decision; for a policy, what they do to its success.

    Args:
        pictures: files. Without any, and without --images, a policy is evaluated with every frame
            attacked.
        network: the network to look into.
        method: FGSM takes one step, PGD many.
        norm: how the change is measured: its largest value, or its length.
        eps: the change allowed, of 1 from black to white; the smallest that turns the decision is
            looked for when left out (for a policy's episodes 4/255).
        target: a label to be decided for; any other than now when left out.
        steps: of PGD.
        seed: of PGD's start, where a size is given.
        attribution: method shown before and after, grad-cam when left out.
        images: in place of pictures a set of them, such as a recording.
        count: how many of the set, evenly drawn.
        window: the values low,high that become black and white in pictures of more than 8 bits;
            found and told when left out.
        env: of a policy, the environment that it acts in.
        episodes: of a policy, how many to play with and without attack.
        out: the page to write (.png, .jpg, .webp, .pdf, .html), or the numbers as for data.
        data: also write images and scores, or what came of the episodes (.npz, .safetensors, .csv).
    """
    from rlvis.features.adversarial.attacked_policy import AttackEvaluation
    from rlvis.features.adversarial.attacks import attack as attack_images
    from rlvis.features.adversarial.attacks import smallest_attack
    from rlvis.features.adversarial.result import GRAD_CAM, Attacks

    plays = not pictures and images is None
    check_outputs(AttackEvaluation if plays else Attacks, out, data)
    options: dict[str, Any] = {"norm": norm, "target": target, "steps": steps}
    if plays:
        allowed = {"eps": 4 / 255 if eps is None else eps, "seed": seed, "method": method}
        refuse_unused("where a policy plays", count=count != 4, window=window)
        policy = _policy(network)
        config = env.of(policy)
        play = partial(
            agents_package().evaluate,
            environment=config.environment,
            episodes=episodes,
            wrappers=config.wrappers,
            **config.options,
        )
        _attack_episodes(policy, options | allowed, play, attribution, out, data)
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
    if eps is None:
        refuse_unused("where the smallest attack is looked for; it is for an --eps", seed=seed)
    if method == "fgsm":
        refuse_unused("for fgsm, which takes one step", steps=steps != 20)
    inspected = network.load()
    failures = list[InputError]()
    subjects: list[tuple[str, Any, Any]] = [
        (path.name, picture_through(path, window), {}) for path in pictures
    ]
    if images is not None:
        subjects = _evenly_drawn(images, count, failures, window)
    ask = smallest_attack if eps is None else partial(attack_images, eps=eps, seed=seed)
    attacked = _attack_each(partial(ask, inspected, method=method, **options), subjects, failures)
    if attacked:
        write_outputs(attacked, out, data, attribution or GRAD_CAM)
    if failures and attacked:
        raise InputError(f"{len(failures)} could not be attacked, the first: {failures[0]}")
    if failures:
        raise failures[0]


def _attack_each(
    ask: Callable[..., "Attack"],
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


def _attack_episodes(
    policy: "Policy",
    options: dict[str, Any],
    play: Callable[..., Any],
    attribution: str | None,
    out: Path,
    data: Path | None,
) -> None:
    """Play with and without attack, and show what came of it."""
    from rlvis.features.adversarial.attacked_policy import AttackedPolicy, AttackEvaluation
    from rlvis.features.adversarial.result import GRAD_CAM

    attacked = AttackedPolicy(policy, **options)
    played = {}
    for name, each in (("as it is", policy), ("attacked", attacked)):
        played[name] = play(each)
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
    found = AttackEvaluation(attacked, outcomes, measures, lines)
    write_outputs(found, out, data, attribution or GRAD_CAM)


def _evenly_drawn(
    images: str, count: int, failures: list[InputError], window: str | None
) -> list[tuple[str, Any, Any]]:
    """Some pictures of a set, and what a model takes besides each; what cannot be read fails."""
    if count < 1:
        raise InputError(f"{count} images; at least one is needed")
    opened, drawn = open_image_set(images, window), []
    for number in range(0, len(opened), max(1, len(opened) // count))[:count]:
        try:
            context = opened.context([number])
            drawn.append((opened.title(number), opened.picture(number), context))
        except InputError as error:
            failures.append(error)
    return drawn
