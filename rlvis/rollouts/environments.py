"""Gymnasium environments by name, their images and actions checked before use."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlvis.errors import InputError, one_line, unknown
from rlvis.rollouts.spaces import check_spaces
from rlvis.rollouts.world_folder import in_its_folder

if TYPE_CHECKING:
    from gymnasium import Env


@dataclass(frozen=True)
class EnvConfig:
    """An environment as it is made.

    Attributes:
        environment: its Gymnasium id.
        wrappers: put around it, the innermost first.
        options: of its constructor.
    """

    environment: str
    wrappers: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def make_environment(environment: str, *, wrappers: Sequence[str] = (), **options: Any) -> "Env":
    """An environment by its Gymnasium id, "CarRacing-v3" or "module:Id-v0".

    Args:
        environment: the id; the module before the colon is imported first, from the current
            folder too. Ids of installed packages that bring environments work bare, see
            `rlvis.rollouts.providers`.
        wrappers: put around it, the innermost first; see `rlvis.rollouts.wrappers`.
        options: passed to the environment's constructor.

    Raises:
        InputError: if Gymnasium is not installed, there is no such environment, wrapper or option,
            its observations hold no uint8 image, or its actions are of a kind that
            `rlvis.rollouts.spaces.distribution_over` does not know.
    """
    try:
        import gymnasium
    except ModuleNotFoundError:
        raise InputError(
            "environments need Gymnasium; install it with: pip install 'rlvis[agents]'"
        ) from None
    from rlvis.named_objects import allow_local_modules
    from rlvis.rollouts.providers import import_provider

    try:
        if ":" in environment:
            allow_local_modules()
        if environment not in gymnasium.registry:
            import_provider(environment)
        with in_its_folder() as inside:
            made: Env = gymnasium.make(environment, **options)
            inside.world = made.unwrapped
    except (gymnasium.error.UnregisteredEnv, gymnasium.error.NamespaceNotFound):
        raise _unregistered(environment, list(gymnasium.registry)) from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"cannot make {environment!r}: {error}; the module before the colon must be installed, "
            "as in rlvis_envs:CubeReach-v0"
        ) from None
    except (Exception, SystemExit) as error:  # whatever the environment's own code raises
        reason = one_line(error) or type(error).__name__
        if isinstance(error, SystemExit):
            reason = "it ends the program by sys.exit"
        raise InputError(f"cannot make {environment!r}: {reason}") from error
    try:
        if wrappers:
            from rlvis.rollouts.wrappers import wrap_all

            made = wrap_all(made, wrappers)
        check_spaces(made, environment)
    except InputError:
        with suppress(Exception):
            made.close()
        raise
    return made


def _unregistered(environment: str, registered: list[str]) -> InputError:
    module, _, name = environment.rpartition(":")
    prefix = f"{module}:" if module else ""
    stem = name.split("-v")[0]
    versions = [prefix + each for each in registered if each.split("-v")[0] == stem]
    if versions:
        return InputError(f"no environment {environment!r}; there is {', '.join(versions)}")
    worlds = ("CubeReach", "CubeReachDistractors", "CubeReachChoice", "AtariObjects")
    own = [f"rlvis_envs:{each}-v0" for each in worlds]
    return unknown("environment", environment, [*own, *(prefix + each for each in registered)])
