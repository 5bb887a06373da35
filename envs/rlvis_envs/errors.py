"""The errors that belong to no single module."""


class OpenGLMissingError(ImportError):
    """The OpenGL libraries that MiniWorld draws with are not installed, or do not start."""

    def __init__(self, cause: object) -> None:
        super().__init__(
            "rlvis_envs draws with OpenGL, which is missing here: install it with "
            f"`apt-get install libegl1 libgl1 libgl1-mesa-dri libglu1-mesa` (cause: {cause})"
        )


class AtariMissingError(ImportError):
    """What Atari games are played with is not installed."""

    def __init__(self, cause: object) -> None:
        super().__init__(f"Atari games need ALE: pip install 'rlvis[atari]' ({cause})")
