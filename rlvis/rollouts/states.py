"""The states of environments: asked for, kept as bytes, gone back to.

An environment has states where its `unwrapped` has `get_state` and `set_state`, as the worlds of
`rlvis_envs` do, or Atari's `clone_state` and `restore_state`. They are kept as JSON or as bytes:
what could only be pickled is not kept, since reading it back would run whatever a file says.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvis.errors import InputError, one_line

if TYPE_CHECKING:
    from gymnasium import Env


class NoStatesError(Exception):
    """Why an environment's states cannot be kept."""


@dataclass(frozen=True)
class StateForm:
    """How states are kept, and what they are gone back to with.

    Attributes:
        get: an environment's state.
        restore: takes an environment back to a state; what it returns is the environment's.
        pack: a state as bytes.
        unpack: the state again.
        redraws: whether the environment's own picture can be that of the state right after it was
            gone back to.
    """

    get: Callable[["Env"], Any]
    restore: Callable[["Env", Any], Any]
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    redraws: bool = True


def _atari_state(env: "Env") -> bytes:
    inner: Any = env.unwrapped
    return inner.clone_state(include_rng=True).serialize()


def _restore_atari(env: "Env", state: bytes) -> None:
    from ale_py import ALEState

    inner: Any = env.unwrapped
    inner.restore_state(ALEState(state))


def _get(env: "Env") -> Any:
    inner: Any = env.unwrapped
    return inner.get_state()


def _set(env: "Env", state: Any) -> Any:
    inner: Any = env.unwrapped
    return inner.set_state(state)


FORMS: Mapping[str, StateForm] = {
    "json": StateForm(_get, _set, lambda state: json.dumps(state).encode(), json.loads),
    "bytes": StateForm(_get, _set, bytes, bytes),
    "atari": StateForm(_atari_state, _restore_atari, bytes, bytes, redraws=False),
}
"""By the name that a recording's header has for them."""


def form_of(env: "Env") -> str:
    """The form in which the states of an environment can be kept, asked once it was reset.

    Raises:
        NoStatesError: if they cannot; the message says why.
    """
    inner: Any = env.unwrapped
    if hasattr(inner, "clone_state") and hasattr(inner, "restore_state"):
        return "atari"
    if not (hasattr(inner, "get_state") and hasattr(inner, "set_state")):
        raise NoStatesError("the environment has no get_state and set_state")
    try:
        state = inner.get_state()
    except Exception as error:  # whatever the environment's own code raises
        reason = one_line(error) or type(error).__name__
        raise NoStatesError(f"the environment's get_state fails ({reason})") from error
    if isinstance(state, bytes):
        return "bytes"
    if not is_plain(state):
        kind = type(state).__name__
        raise NoStatesError(
            f"the environment's states ({kind}) are neither bytes nor plain dicts that JSON holds"
        )
    return "json"


def is_plain(value: Any) -> bool:
    """Whether JSON gives back what it was given."""
    try:
        return json.loads(json.dumps(value)) == value
    except (TypeError, ValueError, RecursionError):
        return False


def restore(form: str, env: "Env", state: Any) -> Any:
    """Take an environment back to a recorded state.

    Args:
        form: of the recording's header.
        env: made as the recorded one was.
        state: as the recording gives it.

    Returns:
        What the environment's `set_state` returns.

    Raises:
        InputError: if the environment refuses it, or has no such states.
    """
    try:
        return FORMS[form].restore(env, state)
    except Exception as error:  # whatever the environment's own code raises
        reason = one_line(error) or type(error).__name__
        raise InputError(f"the environment refuses the recorded state ({reason})") from error


def observed(told: Any, question: str = "set_state(state)") -> tuple[Any, Mapping[str, Any]]:
    """The observation and the info that a world answered; None and nothing where it gave none.

    Args:
        told: what it returned.
        question: what it was asked.

    Raises:
        InputError: if it returned something else.
    """
    if not isinstance(told, tuple):
        return told, {}
    if len(told) == 2 and isinstance(told[1], Mapping):
        return told
    kinds = ", ".join(type(each).__name__ for each in told)
    raise InputError(f"{question} must return (observation, info), not ({kinds})")


def is_bare(env: "Env") -> bool:
    """Whether nothing around an environment changes or counts what it does."""
    from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

    while env is not env.unwrapped:
        if not isinstance(env, (OrderEnforcing, PassiveEnvChecker)):
            return False
        env = env.env
    return True
