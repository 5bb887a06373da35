"""The states of environments as they are played, kept as bytes where they can be."""

from rlvis.rollouts.checked_env import CheckedEnv
from rlvis.rollouts.states import FORMS, NoStatesError, form_of


class StateKeeper:
    """Gives the state of an environment; the first time it is asked it finds out in which form.

    Args:
        wanted: whether states are kept at all.

    Attributes:
        form: see `rlvis.rollouts.states`; empty where none are kept, None before it was asked.
        no_states: why none are kept.
    """

    def __init__(self, wanted: bool = True) -> None:
        self.form: str | None = None if wanted else ""
        self.no_states = "" if wanted else "they were not asked for"

    def state(self, env: CheckedEnv) -> bytes | None:
        """The environment's state, None where it cannot be kept."""
        if self.form is None:
            try:
                self.form = form_of(env.environment)
            except NoStatesError as why:
                self.form, self.no_states = "", str(why)
        if not self.form:
            return None
        form = FORMS[self.form]
        return env.ask("get_state", lambda asked: form.pack(form.get(asked)))
