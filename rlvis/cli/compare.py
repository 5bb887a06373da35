"""The command `rlvis compare`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.playing import RecordedPolicy


def command(
    recording: Positional[Path],
    other: Positional[str],
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    most: int = 6,
    maps: bool = True,
    out: Path | None = None,
    video: Path | None = None,
    fps: float = 10,
) -> None:
    """Compare the policy of a recording with another: where they first part, and why.

    Args:
        recording: the folder of the first one's recording.
        other: a policy, as --policy takes it elsewhere, which is asked about the same frames; or
            the folder of a recording of one, whose episodes of the same seeds are compared.
        source: the first policy.
        most: episodes on the page and in the film, those that differ most first.
        maps: draw maps of both networks, and on the page their difference.
        out: a page (.html, .png, .pdf) or the table of the episodes (.csv, .json, .npz).
        video: a film of both side by side (.mp4, .gif).
        fps: of the film, steps per second.
    """
    from rlvis.options import MANY, check_whole
    from rlvis.rollouts.comparison import Comparison, compare
    from rlvis.rollouts.film.writing import check_film
    from rlvis.rollouts.recording import Recording
    from rlvis.zoo.loading import load_playing_policy
    from rlvis.zoo.source import ModelSource

    if out is not None:
        Comparison.check_savable(out)
    if video is not None:
        check_film(video, fps, "episode")
    check_whole("--most", most, 1, MANY)
    first = Recording.open(recording)
    drawn = maps and (video is not None or out is not None)
    policy = source.of(first) if drawn else None
    if (Path(other) / "zarr.json").exists():
        second = Recording.open(other)
        theirs = RecordedPolicy().of(second) if drawn else None
        found = compare(first, second, policy=policy, other_policy=theirs)
    else:
        found = compare(first, load_playing_policy(ModelSource(other)), policy=policy)
    print(found.findings)
    worst, step = found.moments(1)[0]
    print(
        f"they differ most in episode {worst.number} at step {step}: "
        f"{worst.divergence[step]:.2f} bits"
    )
    if out is not None:
        print(found.save(out, most=most))
    if video is not None:
        print(found.save(video, most=most, fps=fps))
