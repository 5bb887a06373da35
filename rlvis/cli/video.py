"""The command `rlvis video`."""

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from rlvis.cli.arguments import RolloutMethods, Targets
from rlvis.cli.loading import refuse_unused
from rlvis.cli.playing import FilmLook, RecordedPolicy
from rlvis.cli.regrets import regrets_of
from rlvis.errors import InputError


def command(
    recording: Positional[Path],
    /,
    out: Path = Path("rollout.mp4"),
    methods: RolloutMethods = (),
    targets: Targets = (),
    actions: Annotated[UseAppendAction[tuple[str, ...]], arg(name="action")] = (),
    episodes: Annotated[UseAppendAction[tuple[int, ...]], arg(name="episode")] = (),
    moments: int = 0,
    kinds: Annotated[UseAppendAction[tuple[str, ...]], arg(name="kind")] = (),
    around: int = 6,
    only: Annotated[UseAppendAction[tuple[str, ...]], arg(name="only")] = (),
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
        moments: show so many moments that matter over all these episodes instead of all steps:
            where the value falls, the preference turns, π is undecided, an improbable action was
            taken, or it gets stuck; with a title card before each, slower where it is decided.
        kinds: of moments: drop, flip, indecision, surprise, stuck, importance, regret; repeat for
            several. All but the last two when left out.
        around: steps before a moment and after it.
        only: episodes that are failures, successes or timeouts, or hold a comparison such as
            "margin < 0.1" (see rlvis episodes); repeat for several.
        look: of the video.
    """
    from rlvis.rollouts.episode_table import EpisodeTable
    from rlvis.rollouts.moments import USUAL, find_moments
    from rlvis.rollouts.recording import Recording

    look.check(out)
    opened = Recording.open(recording)
    named = list(episodes)
    if only:
        table = EpisodeTable.of(opened, episodes or None)
        for which in only:
            table = table.only(which)
        named = table.episodes
        if not named:
            raise InputError(f"no episode is one of {', '.join(only)}; see rlvis episodes")
    choice: dict[str, Any] = {}
    if moments:
        given = regrets_of(opened, source, named or None) if "regret" in kinds else None
        found = find_moments(
            opened, moments, kinds=kinds or USUAL, episodes=named or None, regrets=given
        )
        for each in found:
            print(f"episode {each.episode}, step {each.step}: {each.kind}: {each.reason}")
        choice = {"moments": list(found), "around": around}
    else:
        refuse_unused("without --moments", kinds=kinds)
    shown = named or opened.readable()
    look.draw(
        opened,
        out,
        methods=methods,
        targets=targets,
        actions=actions,
        episodes=() if moments else shown,
        layer=layer,
        policy=source.load_if_named(),
        **choice,
    )
    if not named and not moments and len(shown) < len(opened):
        raise InputError(
            f"{len(opened) - len(shown)} of {len(opened)} episodes are damaged; {out} shows the "
            "others"
        )
