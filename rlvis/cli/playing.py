"""What the commands that let a policy act take: the policy, its environment, how it is played."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction, arg

from rlvis.cli.arguments import EnvOptions, Wrappers
from rlvis.cli.bars import progress
from rlvis.cli.loading import Network, refuse_unused
from rlvis.errors import InputError, Notice

if TYPE_CHECKING:
    from rlvis.models.policy import Policy
    from rlvis.rollouts.environments import EnvConfig
    from rlvis.rollouts.revisited import RevisitedEpisodes


@dataclass(frozen=True)
class PolicySource(Network):
    """A policy that a command names."""

    model: Annotated[
        str,
        arg(
            name="policy",
            help="A shipped policy (cube-reach, cube-reach-distractors, cube-reach-choice, "
            "cube-reach-choice-shortcut), a run or checkpoint of `rlvis train`, the folder of a "
            "run of RL-Zoo, the zip of an agent that sees images, by Stable-Baselines3 (PPO, A2C, "
            "DQN, SAC, TD3, DDPG) or sb3-contrib (recurrent and maskable PPO, QR-DQN, TQC), or "
            "code of yours as package.module:name that gives an rlvis.Policy.",
        ),
    ] = "cube-reach"


@dataclass(frozen=True)
class RecordedPolicy(Network):
    """The policy of a recording, where a command names it."""

    model: Annotated[
        str | None,
        arg(
            name="policy",
            help="The policy that was recorded, where it is no longer where it was loaded from.",
        ),
    ] = None

    def load_if_named(self) -> "Policy | None":
        """The policy, None where it is not named.

        Raises:
            InputError: if there is none of that name, or it is not named but described.
        """
        if self.model is not None:
            return self.load_policy()
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        refuse_unused("without --policy", **given)
        return None

    def of(self, recording: "RevisitedEpisodes") -> "Policy":
        """The policy of a recording, known to be the one that was recorded.

        Raises:
            InputError: if it is not there any more, or another one.
        """
        return recording.policy(self.load_if_named())


@dataclass(frozen=True)
class EnvSource:
    """The environment that a policy acts in.

    Attributes:
        env: a Gymnasium id such as CarRacing-v3 or module:Id-v0; the one it was trained in when
            left out.
        wrappers: a wrapper that it was trained with; repeat for several, the innermost first.
            grayscale, resize:height=84, frame-stack:frames=4, frame-skip:frames=4, atari, or any
            package.module.Wrapper, options after a colon.
        env_options: an option of the environment as name=value; repeat for several.
    """

    env: str | None = None
    wrappers: Wrappers = ()
    env_options: EnvOptions = ()

    def of(self, policy: "Policy") -> "EnvConfig":
        """The environment asked for, else the one that a policy was trained in, as it was there.

        Raises:
            InputError: if none was named and the policy knows of none, or a wrapper that its file
                names is of no known package.
        """
        from rlvis.options import parse_options
        from rlvis.rollouts.environments import EnvConfig
        from rlvis.rollouts.providers import check_provider

        home = policy.description.get("environment")
        if not self.env and not home:
            raise InputError(
                f"{policy.name} does not say which environment it was trained in; name it with "
                "--env"
            )
        at_home = not self.env or _bare(self.env) == _bare(str(home))
        around: Sequence[str] = policy.description.get("wrappers", ())
        if around and not at_home and not self.wrappers:
            warnings.warn(
                f"{policy.name} was trained in {home} with the wrappers {', '.join(around)}; they "
                f"are left out in {self.env}, -w adds them",
                Notice,
                stacklevel=2,
            )
        known = policy.description if at_home else {}
        around = known.get("wrappers", ())
        if not self.env:
            check_provider(str(home), "--env")
        for each in () if self.wrappers else around:
            check_provider(each, "-w")
        return EnvConfig(
            str(self.env or home),
            tuple(self.wrappers or around),
            {**known.get("env_options", {}), **parse_options(self.env_options)},
        )


def _bare(environment: str) -> str:
    """The id of an environment without the module that registers it."""
    return environment.rpartition(":")[2]


@dataclass(frozen=True)
class Play:
    """How a policy is played.

    Attributes:
        episodes: how many episodes.
        seed: of the first episode, counted up; an episode's actions are sampled with it, too.
        deterministic: take the most probable action instead of sampling one.
        success: when an episode ended well, such as "return > 0.5": return, length, reward (the
            last one) or an entry of the environment's info. As the environment says when left out.
    """

    episodes: int = 3
    seed: int = 0
    deterministic: bool = False
    success: str | None = None

    def check(self, policy: "Policy") -> None:
        """Refuse --deterministic for a policy that samples nothing."""
        from rlvis.models.distributions import Greedy

        if isinstance(policy.distribution, Greedy):
            where = f"for {policy.name}, which always takes the action of the highest score"
            refuse_unused(where, deterministic=self.deterministic)


@dataclass(frozen=True)
class FilmLook:
    """How a film looks.

    Attributes:
        fps: steps per second.
        scale: what full strength stands for: episode (the most of a method's maps in it), frame (in
            each frame) or a number.
        colormap: the colours of maps: turbo, viridis, magma, red-blue; when left out amber and blue
            for signed maps, heat for others.
        curves: a curve below π over time: value, entropy, margin, advantage or reward; repeat for
            several. The value, where there is room, when left out.
        size: of the film in pixels, 16 to 9: 640x360, 1280x720, 1920x1080.
        pictures: a folder that the frame of each step is written to, too, as PNG.
    """

    fps: float = 10
    scale: str = "episode"
    colormap: str | None = None
    curves: Annotated[UseAppendAction[tuple[str, ...]], arg(name="curve")] = ()
    size: str = "1280x720"
    pictures: Path | None = None

    def check(self, path: Path) -> None:
        """Whether a film can be made like this; see `check_film`."""
        from rlvis.options import parse_value
        from rlvis.rollouts.film.writing import check_film

        check_film(path, self.fps, parse_value(self.scale), self.colormap, self.curves, self._size)

    def draw(self, recording: Any, path: Path, **choice: Any) -> None:
        """Write the film of a recording with a progress bar, and print its path.

        Args:
            recording: the recording.
            path: the film.
            choice: what `rlvis.rollouts.film.writing.film` takes; as there where empty.
        """
        from rlvis.options import parse_value

        chosen = {
            name: list(value) if isinstance(value, (list, tuple)) else value
            for name, value in choice.items()
            if value
        }
        with progress("frame") as (start, advance):
            start(self._frames(recording, chosen), f"drawing {path}")
            recording.to_video(
                path,
                fps=self.fps,
                scale=parse_value(self.scale),
                colormap=self.colormap,
                curves=self.curves or None,
                size=self._size,
                pictures=self.pictures,
                on_frame=advance,
                **chosen,
            )
        print(path)

    @property
    def _size(self) -> tuple[int, int]:
        width, _, height = self.size.partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(self.size) < 12):
            raise InputError(f"no size {self.size!r}; write width and height, as in 1920x1080")
        return int(width), int(height)

    def _frames(self, recording: Any, chosen: Mapping[str, Any]) -> int:
        """How many frames the steps of a film take."""
        from rlvis.rollouts.film.writing import frames_in

        if "moments" not in chosen:
            return int(recording.steps(chosen.get("episodes")))
        return frames_in(recording, chosen["moments"], chosen["around"], self.fps)
