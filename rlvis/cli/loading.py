"""Models and policies as the command line names them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvis.errors import InputError
from rlvis.zoo.source import ModelSource
from rlvis.zoo.source import refuse_unused as refuse_unused

if TYPE_CHECKING:
    from rlvis.models.image_model import ImageModel
    from rlvis.models.policy import Policy


@dataclass(frozen=True)
class Network(ModelSource):
    """A model that a command names."""

    def load(self) -> "ImageModel":
        """See `rlvis.load_model`."""
        from rlvis.zoo.loading import load_model

        return load_model(self)

    def load_policy(self) -> "Policy":
        """A policy that is given observations as they are."""
        from rlvis.zoo.loading import load_playing_policy

        return load_playing_policy(self)


USUAL = Network()


def agents_package() -> Any:
    """The package `rlvis_agents`.

    Raises:
        InputError: if it, or what it needs, is not installed.
    """
    try:
        import rlvis_agents
    except ModuleNotFoundError as error:
        raise InputError(
            f"policies need {error.name}; install it with: pip install 'rlvis[agents]'"
        ) from None
    return rlvis_agents
