"""The page of an audit: a question a section, every number with its interval."""

from math import isfinite

import numpy as np

from rlvis.display.overlays import grey, limit, overlay, resize_picture
from rlvis.display.page import Page
from rlvis.display.plots import FINE, Axis, Interval, draw_intervals, draw_scatter
from rlvis.display.shown import Shown
from rlvis.display.theme import Colour
from rlvis.display.tiles import Row, Tile
from rlvis.evaluation.decisions import Decisions
from rlvis.evaluation.effects import Effect
from rlvis.evaluation.estimates import Estimate, rounded
from rlvis.evaluation.findings import Findings
from rlvis.evaluation.maps import MethodScores
from rlvis.evaluation.sentences import headlines, left_out
from rlvis.evaluation.shortcuts import Cue
from rlvis.evaluation.verdicts import BELIEVE, NO, PARTLY, Verdict

_WIDTH = 1224
_MOST_EFFECTS = 16
_FAINT = 0.01
"""In nats; less than this is not drawn at full strength."""
_COLOURS: dict[str, Colour] = {BELIEVE: (34, 132, 96), PARTLY: (196, 132, 22), NO: (190, 62, 62)}
_GREY: Colour = (128, 136, 148)
_SIDE = 288
"""Pictures that stand side by side are made so wide at least."""


def draw_audit(found: Findings) -> Page:
    """The page of what was found."""
    sections = [
        _moved(found),
        _believed(found),
        _mattered(found),
        _turned(found),
        _shortcuts(found),
        [Row([], "Left out", each) for each in left_out(found)],
    ]
    rows = [row for section in sections for row in section]
    return Page(f"May I believe the picture? {found.policy}", headlines(found), rows)


def _moved(found: Findings) -> list[Row]:
    if not found.moved:
        return []
    effects = [each.effect for each in found.moved[:_MOST_EFFECTS]]
    most = max(
        (_end(each.divergence) for each in effects if isfinite(each.divergence.value)), default=0
    )
    plot = draw_intervals(
        [
            Interval(
                each.name,
                each.divergence.value,
                each.divergence.low,
                each.divergence.high,
                texts=(
                    _far(each),
                    _short(each.flips, share=True),
                    _short(each.value),
                    str(each.divergence.count),
                ),
            )
            for each in effects
        ],
        Axis("KL divergence from π to what it becomes, in nats", 0.0, max(most, 1e-3)),
        ("KL", "decisions that turn", "change of the value", _seen(found)),
        width=_WIDTH,
        plot=320,
    )
    rest = len(found.moved) - len(effects)
    note = "everything changed one thing at a time, the rest left as it was"
    if rest:
        note += f"; {rest} weaker ones are in the table (.csv, .json)"
    pictures = [
        Tile(
            _side_by_side(each.before, each.after),
            Shown(
                each.effect.name,
                values={"KL": rounded(each.effect.most)},
                notes=["seen, and changed"],
            ),
        )
        for each in found.moved[:4]
    ]
    return [
        Row(
            [_figure(plot)],
            "What moves the network" if found.of_pictures else "What moves the policy",
            note,
            tile=_size(plot),
            scrolls=True,
        ),
        Row(pictures, "the strongest case of each", tile=(112, 2 * 144 + 6)),
    ]


def _believed(found: Findings) -> list[Row]:
    target = found.targets[0]
    ordered = sorted(found.methods, key=lambda each: -_or_last(each.of(target).causal.value))
    plot = draw_intervals(
        [_method_line(each, target, found.verdicts.get(each.method)) for each in ordered],
        Axis("agreement with the true effects, the size of the parts held fixed", -0.5, 1.0),
        ("agreement", "believe?", "largest first", "deletion", "AUC", "targets", "weights"),
        width=_WIDTH,
        plot=150,
    )
    note = (
        f"maps of the {target} {'label' if found.of_pictures else 'action'}; true effects: "
        f"{found.parts}; the tick: the same maps laid over other images; AUC: only where they "
        "point; targets: how much maps of other targets differ; weights: how alike maps of a "
        "network with shuffled weights are"
    )
    verdicts = [
        Row(
            [],
            each.method,
            f"{found.verdicts[each.method].word}: {found.verdicts[each.method].reason}",
            cells={
                "believe?": found.verdicts[each.method].word,
                "why": found.verdicts[each.method].reason,
            },
        )
        for each in ordered
        if each.method in found.verdicts
    ]
    examples = [
        Tile(
            _drawn(each, found.example),
            Shown(
                method=each.method,
                target=target,
                values={"": _short(each.of(target).causal)},
                headed=("target",),
            ),
        )
        for each in ordered
        if each.example is not None
    ]
    return [
        Row([_figure(plot)], "Which maps can be believed", note, tile=_size(plot), scrolls=True),
        Row(
            [Tile(found.example, Shown("the image", notes=["all maps are of it"])), *examples],
            f"one image, every method's map of {target}, those that agree most first",
            tile=(84, 112),
        ),
        *verdicts,
    ]


def _method_line(method: MethodScores, target: str, verdict: Verdict | None) -> Interval:
    scores = method.of(target)
    causal = scores.causal
    name = f"({method.method})" if method.baseline else method.method
    colour = _GREY if verdict is None else _COLOURS.get(verdict.word, _GREY)
    return Interval(
        name,
        causal.value,
        causal.low,
        causal.high,
        scores.null("causal"),
        (
            _short(causal),
            verdict.word if verdict else "",
            _short(scores.largest_first),
            _short(method.deletion),
            _short(scores.auc),
            _short(method.sensitivity),
            _short(method.randomisation),
        ),
        colour,
    )


def _mattered(found: Findings) -> list[Row]:
    decisions = found.decisions
    if decisions is None:
        return []
    true = decisions.true
    way = "computed, with bounds" if true.computed else "by rollouts, with 95% intervals"
    note = (
        f"true values of every action in {len(true.places)} moments, {way} "
        f"(± {rounded(true.half_width, 4)} in the mean), γ {true.discount:g}; regret "
        f"{_short(decisions.regret, 4)}; {_short(decisions.mistakes, share=True)} sure mistakes; "
        f"the critic is off by {_short(decisions.bias, 3)} (correlation "
        f"{_short(decisions.critic_correlation)}); importance by π agrees with importance by Q by "
        f"{_short(decisions.importance_correlation)}"
    )
    tiles = [
        Tile(
            each.image,
            Shown(
                episode=each.episode,
                step=each.step,
                notes=[
                    f"took {each.taken}, {each.best} is worth {rounded(each.regret, 3)} more"
                    + ("" if each.sure else " (unsure)")
                ],
            ),
        )
        for each in decisions.worst
    ]
    plots = _scatters(decisions)
    rows = [
        Row([_figure(each) for each in plots], "Decisions that mattered", note, _size(plots[0]))
    ]
    if tiles:
        rows.append(Row(tiles, "the costliest decisions", tile=(150, 200)))
    return rows


def _scatters(decisions: Decisions) -> list[np.ndarray]:
    plots = []
    if np.isfinite(decisions.critic).all():
        ends = _ends(np.concatenate([decisions.critic, decisions.expected]))
        plots.append(
            draw_scatter(
                decisions.expected,
                decisions.critic,
                Axis("true value", *ends),
                Axis("the critic", *ends),
                diagonal=True,
                side=220,
            )
        )
    plots.append(
        draw_scatter(
            decisions.by_logits,
            decisions.true.importance,
            Axis("importance by scores: best − worst logit", *_ends(decisions.by_logits)),
            Axis("importance by Q: best − worst", *_ends(decisions.true.importance)),
            side=220,
        )
    )
    return plots


def _turned(found: Findings) -> list[Row]:
    if not found.counterfactuals:
        return []
    shares = [f"{name} {_short(each, share=True)}" for name, each in list(found.turned.items())[:6]]
    tiles = [
        Tile(
            _side_by_side(before, after),
            Shown(each.sentence, notes=[f"{each.pixels:.1%} of the pixels"]),
        )
        for each, before, after in found.counterfactuals
    ]
    note = f"the smallest change that does, by share of all moments: {', '.join(shares)}"
    return [Row(tiles, "What would have turned the decision", note, tile=(140, 2 * 186 + 6))]


def _shortcuts(found: Findings) -> list[Row]:
    rows = []
    played = [each for each in found.cues if each.lost.count]
    if played:
        least = min([-0.2, *(each.lost.low for each in played if each.lost.sure)])
        plot = draw_intervals(
            [
                Interval(
                    each.factor,
                    each.lost.value,
                    each.lost.low,
                    each.lost.high,
                    texts=(
                        _short(each.lost, share=True),
                        _short(each.effect.flips, share=True) if each.effect else "–",
                        "yes" if each.matters else "no",
                        each.verdict,
                    ),
                    colour=_COLOURS[_like(each)],
                    bold=each.is_shortcut,
                )
                for each in played
            ],
            Axis(f"{found.measure} lost with it as in another episode", least, 1.0, share=True),
            (f"{found.measure} lost", "decisions that turn", "should it matter?", "verdict"),
            width=_WIDTH,
            plot=280,
        )
        note = "played again from the same starts, one thing as in another episode"
        if "return" in found.measure:
            note += "; returns as a share of their mean size before"
        if found.constant:
            names = ", ".join(found.constant)
            note += f"; the same in all episodes, so that nothing can be said of them: {names}"
        rows.append(Row([_figure(plot)], "Shortcuts", note, tile=_size(plot), scrolls=True))
    scan = found.windows
    strongest = scan.divergence[scan.strongest]
    note = (
        f"each swapped with another image's, knowing nothing of the world; most at the "
        f"{scan.where(scan.strongest)}: KL {_short(strongest)}"
    )
    if scan.alone:
        note += "; this window alone does more than twice what any other does"
    largest = 2 * max((each.value for each in scan.divergence if isfinite(each.value)), default=0)
    heat = np.zeros(scan.pixels, np.float32)
    for box, each in zip(scan.boxes, scan.divergence, strict=True):
        top, left, bottom, right = box.tolist()
        heat[top:bottom, left:right] = min(each.value, largest)
    ground = grey(found.mean_image)
    shown = overlay(ground, heat, max(float(heat.max()), _FAINT), False)
    tiles = [Tile(shown, Shown("KL of each window", notes=["over the mean of all images"]))]
    return [*rows, Row(tiles, "Windows that move it", note, tile=(180, 240))]


def _seen(found: Findings) -> str:
    return "pictures" if found.of_pictures else "moments"


def _like(cue: Cue) -> str:
    """The verdict whose colour a cue has."""
    if cue.is_shortcut:
        return NO
    return PARTLY if cue.distracts or cue.misleads else BELIEVE


def _drawn(method: MethodScores, image: np.ndarray) -> np.ndarray:
    assert method.example is not None
    heat = np.asarray(method.example, np.float32)
    signed = bool((heat < 0).any())
    return overlay(grey(image), heat, limit(heat), signed)


def _side_by_side(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Two pictures (H, W, 3), enlarged first so that the gap between them stays sharp."""
    height, width = before.shape[:2]
    times = max(1, -(-_SIDE // width))
    one, other = (resize_picture(each, times * width, times * height) for each in (before, after))
    gap = np.full((len(one), one.shape[1] // 40, 3), 255, np.uint8)
    return np.concatenate([one, gap, other], axis=1)


def _figure(picture: np.ndarray) -> Tile:
    return Tile(picture, Shown())


def _size(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[0] // FINE, picture.shape[1] // FINE


def _far(effect: Effect) -> str:
    """How far a change moves π, and where that has no bound, in how many moments."""
    where = f" in {_short(effect.unbounded, share=True)}" if effect.unbounded.value > 0 else ""
    return _short(effect.divergence) + where


def _short(each: Estimate, digits: int = 2, share: bool = False) -> str:
    return each.written(digits, share).replace("(too few for an interval)", "(few)")


def _end(each: Estimate) -> float:
    return each.high if isfinite(each.high) else each.value


def _or_last(value: float) -> float:
    return value if isfinite(value) else -2.0


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Of an axis for numbers, wide enough that its ticks differ where all numbers are about one."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    size = max(abs(low), abs(high))
    room = 0.05 * (high - low) if high - low > 1e-6 * size else 0.5 * size or 0.5
    return low - room, high + room
