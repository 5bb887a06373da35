"""The command `rlvis video`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.arguments import RolloutMethods, Targets
from rlvis.cli.playing import FilmLook, RecordedPolicy
from rlvis.errors import InputError


def command(
    recording: Positional[Path],
    /,
    out: Path = Path("rollout.mp4"),
    methods: RolloutMethods = (),
    targets: Targets = (),
    actions: Annotated[UseAppendAction[tuple[str, ...]], arg(name="action")] = (),
    episodes: Annotated[UseAppendAction[tuple[int, ...]], arg(name="episode")] = (),
    layer: str | None = None,
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    look: OmitArgPrefixes[FilmLook] = FilmLook(),  # noqa: B008
) -> None:
    """Make the annotated video of a recording.

    Args:
        recording: a folder written by `rlvis record`.
        out: the video (.mp4) or animation (.gif).
        methods: which methods to show, those that were recorded when left out; repeat for several.
            Maps that were not recorded are made by the policy.
        targets: what the maps explain, as it was recorded when left out; repeat for several.
        actions: which actions to show, six at most and "chosen" when left out; repeat for several.
        layer: the layer of class activation maps, the last spatial one when left out.
        source: the policy.
        episodes: the number of an episode to show, from 0, all when left out; repeat for several.
        look: of the video.
    """
    from rlvis.rollouts.recording import Recording

    look.check(out)
    opened = Recording.open(recording)
    shown = episodes or opened.readable()
    look.draw(
        opened,
        out,
        methods=methods,
        targets=targets,
        actions=actions,
        episodes=shown,
        layer=layer,
        policy=source.load_if_named(),
    )
    if not episodes and len(shown) < len(opened):
        raise InputError(
            f"{len(opened) - len(shown)} of {len(opened)} episodes are damaged; {out} shows the "
            "others"
        )
