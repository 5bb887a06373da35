"""The command `rlvis video`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.arguments import Methods
from rlvis.cli.playing import FilmLook
from rlvis.errors import InputError


def command(
    recording: Positional[Path],
    /,
    out: Path = Path("rollout.mp4"),
    methods: Methods = (),
    actions: Annotated[UseAppendAction[tuple[str, ...]], arg(name="action")] = (),
    episodes: Annotated[UseAppendAction[tuple[int, ...]], arg(name="episode")] = (),
    look: OmitArgPrefixes[FilmLook] = FilmLook(),  # noqa: B008
) -> None:
    """Make the annotated video of a recording.

    Args:
        recording: a folder written by `rlvis record`.
        out: the video (.mp4) or animation (.gif).
        methods: which of the recorded methods to show, all when left out; repeat for several.
        actions: which actions to show, six at most and "chosen" when left out; repeat for several.
        episodes: the number of an episode to show, from 0, all when left out; repeat for several.
        look: of the video.
    """
    from rlvis.rollouts.recording import Recording

    look.check(out)
    opened = Recording.open(recording)
    shown = episodes or opened.readable()
    look.draw(opened, out, methods=methods, actions=actions, episodes=shown)
    if not episodes and len(shown) < len(opened):
        raise InputError(
            f"{len(opened) - len(shown)} of {len(opened)} episodes are damaged; {out} shows the "
            "others"
        )
