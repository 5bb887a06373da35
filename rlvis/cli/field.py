"""The command `rlvis field`."""

from contextlib import ExitStack
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.playing import RecordedPolicy


def command(
    recording: Positional[Path],
    episode: int = 0,
    step: int = 0,
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    places: int = 20,
    headings: int = 12,
    out: Path = Path("field.png"),
) -> None:
    """Ask a policy what it would do wherever the agent could stand, and draw that over the plan.

    The world stays as it was at one moment of a recording; the agent is put at places all over its
    floor, with headings all round.

    Args:
        recording: the folder of the recording.
        episode: its number, from 0.
        step: in the episode, from 0.
        source: the policy.
        places: along the longer side of the floor.
        headings: all round.
        out: a page (.png, .html, .pdf), or the numbers (.npz, .csv, .json, .safetensors).
    """
    from rlvis.rollouts.branches import BranchPoint, open_recorded
    from rlvis.rollouts.field import PolicyField, policy_field
    from rlvis.rollouts.recording import Recording

    PolicyField.check_savable(out)
    opened = Recording.open(recording)
    policy = source.of(opened)
    moment = BranchPoint(opened, policy, episode, step)
    with ExitStack() as stack:
        env = open_recorded(opened, stack)
        moment.bring(env)
        title = f"{policy.name} in {opened.header.environment}, episode {episode}, step {step}"
        found = policy_field(policy, env.environment, title=title, places=places, headings=headings)
    print(found.summary)
    print(found.save(out))
