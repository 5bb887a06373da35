"""What an audit found, in a few sentences."""

from math import isfinite

from rlvis.evaluation.findings import Findings
from rlvis.evaluation.shortcuts import untested
from rlvis.evaluation.verdicts import BELIEVE, NO

_FEW = 4


def headlines(found: Findings) -> list[str]:
    """What moves the policy, which maps can be believed, what mattered, what it goes by."""
    success = ""
    if isfinite(found.success.value):
        success = f", {found.success.written(share=True)} of them successful"
    asked, over = f"{found.frames} moments of {found.episodes} episodes{success}", "episodes"
    if found.of_pictures:
        asked, over = "each with two cubes, taken away one at a time", "pictures"
    lines = [
        f"{found.environment}: {asked}; brackets are 95% intervals over {over}; "
        f"{found.seconds:.0f} s of the processor."
    ]
    if found.moved:
        first = found.moved[0].effect
        lines.append(
            f"What moves it most: {first.name}, KL {first.divergence.written()} nats, "
            f"{first.flips.written(share=True)} of the decisions turn."
        )
        if not any(each.effect.flips.value for each in found.moved):
            lines[-1] = "Nothing that was changed turns any of its decisions."
    if found.verdicts:
        lines.append(f"Maps to be believed: {_named(found, BELIEVE)}. Not: {_named(found, NO)}.")
    if found.decisions is not None:
        regret = found.decisions.regret.written(4)
        lines.append(f"The regret of the actions taken, against the best ones, is {regret}.")
    if not found.of_pictures:
        lines.append(_of_shortcuts(found))
    if misleading := [each.factor for each in found.cues if each.misleads]:
        lines.append(f"It does better where these are otherwise: {', '.join(misleading)}.")
    if moving := [each.factor for each in found.cues if each.distracts]:
        lines.append(f"It moves with, though no {found.measure} hangs on: {', '.join(moving)}.")
    return lines


def left_out(found: Findings) -> list[str]:
    """What could not be asked, and what it would take."""
    lines = [f"{each}." for each in found.left_out[:_FEW]]
    if more := len(found.left_out) - len(lines):
        lines.append(f"And {more} more, told in the numbers (.json).")
    return lines


def _of_shortcuts(found: Findings) -> str:
    names = [f"{each.factor} ({each.lost.written(share=True)})" for each in found.shortcuts]
    if not names and (why := untested(found.cues)):
        return f"Shortcuts were not tested: {why}."
    line = "No shortcut was found among what differs between episodes."
    if names:
        line = f"Shortcuts: {', '.join(names)}."
    if vague := sum(each.is_vague for each in found.cues):
        line += f" Of {vague} of {len(found.cues)} factors there is too little to say."
    return line


def _named(found: Findings, word: str) -> str:
    names = [name for name, each in found.verdicts.items() if each.word == word]
    return ", ".join(names) or "none"
