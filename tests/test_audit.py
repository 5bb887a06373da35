"""The audit of policies of which it is known what they go by."""

import json
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from rlvis import AuditPlan, InputError, Policy, audit
from rlvis.cli import main
from rlvis.evaluation.action_values import true_values
from rlvis.evaluation.audit_numbers import check_requirements, numbers_of
from rlvis.evaluation.counterfactuals import had
from rlvis.evaluation.effects import divergence
from rlvis.evaluation.situations import collect
from rlvis.evaluation.value_bounds import CLOSE_ENOUGH, computed_values
from rlvis.evaluation.windows import scan_windows
from rlvis.interrupt import Stopped
from rlvis.models.distributions import DiagonalGaussian
from rlvis.progress import Progress
from rlvis.rollouts.checked_env import CheckedEnv
from tests.conftest import seeking_policy
from tests.known_policies import SHAPE, constant, floor_reader, marker_reader

WORLD = "rlvis_envs:CubeReachChoice-v0"
FLOOR = {"cue": "floor", "step_limit": 40}
PLAN = AuditPlan(frames=36, methods=("occlusion",), decisions=0, episodes=12, quick=True)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def of_marker():
    return audit(marker_reader(), WORLD, plan=PLAN, env_options=FLOOR)


@pytest.fixture(scope="module")
def of_shortcut():
    from rlvis_agents import load_policy

    options = {"cue": "floor", "marker_scale": 0.5}
    return audit(load_policy("cube-reach-choice-shortcut"), WORLD, plan=PLAN, env_options=options)


def test_who_reads_the_marker_is_moved_by_it_and_by_nothing_of_the_room(of_marker) -> None:
    effects = {each.name: each for each in of_marker.effects}
    assert effects["marker colour as in another episode"].flips.low > 0.3
    assert effects["marker removed"].flips.value > 0.3
    for still in ("floor as in another episode", "floor resurfaced", "wall resurfaced"):
        assert effects[still].divergence.value == pytest.approx(0, abs=1e-4)
    cues = {each.factor: each for each in of_marker.cues}
    assert cues["marker colour"].matters
    assert not cues["floor"].matters
    assert not of_marker.shortcuts


def test_who_reads_the_floor_is_told_so() -> None:
    found = audit(floor_reader(), WORLD, plan=PLAN, env_options=FLOOR)
    effects = {each.name: each for each in found.effects}
    assert effects["floor as in another episode"].flips.low > 0.1
    assert effects["marker colour as in another episode"].divergence.value < 1e-6
    floor = next(each for each in found.cues if each.factor == "floor")
    assert floor.distracts
    assert "though the success does not hang on it" in floor.verdict
    assert "It moves with, though no success hangs on: floor" in found.text()


def test_who_reads_nothing_is_told_so() -> None:
    found = audit(constant(), WORLD, plan=PLAN, env_options=FLOOR)
    assert "Nothing that was changed turns any of its decisions." in found.text()
    assert {each.word for each in found.verdicts.values()} == {"cannot be said"}
    assert not found.counterfactuals
    assert not found.shortcuts


def test_a_learned_shortcut_is_found_with_how_much_hangs_on_it(of_shortcut) -> None:
    (floor,) = of_shortcut.shortcuts
    assert floor.factor == "floor"
    assert floor.lost.low > 0.3
    assert of_shortcut.number("shortcuts") == 1
    assert "a shortcut: " in of_shortcut.text()


def test_every_number_of_the_page_is_in_the_json(of_shortcut, tmp_path) -> None:
    of_shortcut.save(tmp_path / "a.json")
    plain = json.loads((tmp_path / "a.json").read_text())
    assert plain["cues"]["floor"]["lost"]["low"] == of_shortcut.shortcuts[0].lost.low
    assert set(plain["methods"]) == {each.method for each in of_shortcut.methods}
    of_shortcut.save(tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    for heading in ("What moves the policy", "Which maps can be believed", "Shortcuts"):
        assert heading in page
    of_shortcut.save(tmp_path / "a.csv")
    of_shortcut.save(tmp_path / "a.npz")
    assert of_shortcut.picture().size[0] == 1280


def test_requirements_are_held_against_what_was_found(of_shortcut) -> None:
    assert of_shortcut.unmet(["oracle.causal >= 0.99", "floor.lost.low > 0.05"]) == []
    (said,) = of_shortcut.unmet(["shortcuts == 0"])
    assert said == "shortcuts == 0 does not hold: it is 1"
    with pytest.raises(InputError, match=r"no number 'oclusion\.causal'.*occlusion\.causal"):
        of_shortcut.unmet(["oclusion.causal > 0"])


def test_every_number_may_be_required(of_shortcut) -> None:
    plan = AuditPlan(methods=PLAN.named)
    check_requirements([f"{name} > 0" for name in numbers_of(of_shortcut)], plan)


def test_the_page_says_what_is_compared_and_how_parts_are_taken_away(
    of_shortcut, monkeypatch
) -> None:
    from rlvis.evaluation import audit_page

    assert of_shortcut.parts == "objects removed and surfaces as in another episode"
    drawn = []

    def draw(rows, axis, headings, **size):
        drawn.append((axis.title, headings[0], rows[0].texts[0]))
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(audit_page, "draw_intervals", draw)
    lost = of_shortcut.cues[0].lost
    of_returns = replace(of_shortcut, cues=[replace(of_shortcut.cues[0], of_success=False)])
    for found, word in ((of_shortcut, "success"), (of_returns, "return")):
        rows = {row.heading: row for row in found.page().rows}
        assert of_shortcut.parts in rows["Which maps can be believed"].note
        assert drawn[-1] == (
            f"{word} lost with it as in another episode",
            f"{word} lost",
            lost.written(share=True),
        )
        assert ("share of their mean size" in rows["Shortcuts"].note) == (word == "return")


def test_objects_that_cannot_be_removed_are_not_said_to_be_out_of_view(monkeypatch) -> None:
    from rlvis_envs.cube_reach_choice import CubeReachChoiceEnv

    monkeypatch.setattr(CubeReachChoiceEnv, "without", None)
    plan = AuditPlan(frames=12, methods=("saliency",), decisions=0, episodes=6, quick=True)
    found = audit(marker_reader(), WORLD, plan=plan, env_options=FLOOR)
    assert found.parts == "surfaces as in another episode"
    said = [each for each in found.left_out if "saliency" not in each]
    assert "objects: none can be removed; the world would need objects() and without(name)" in said
    assert not [each for each in said if "in view" in each]


def test_the_same_seed_gives_the_same_audit(of_marker) -> None:
    again = audit(marker_reader(), WORLD, plan=PLAN, env_options=FLOOR)
    one, other = of_marker.plain(), again.plain()
    for plain in (one, other):
        plain.pop("seconds")
        for method in plain["methods"].values():
            method.pop("seconds")
    assert one == other


def test_several_processes_find_what_one_does(of_marker) -> None:
    plan = replace(PLAN, methods=("occlusion", "saliency", "occlusion"))
    found = audit(marker_reader(), WORLD, plan=plan, env_options=FLOOR, processes=2)
    scores = {each.method: each.plain() for each in found.methods}
    one = {each.method: each.plain() for each in of_marker.methods}["occlusion"]
    assert list(scores)[-2:] == ["occlusion", "saliency"]
    assert {**scores["occlusion"], "seconds": 0} == {**one, "seconds": 0}
    known = marker_reader()
    local = Policy(known.module, known.labels, lambda x: x.float() / 255, observation_shape=SHAPE)
    with pytest.raises(InputError, match=r"cannot be sent to other processes.*processes=1"):
        audit(local, WORLD, plan=plan, env_options=FLOOR, processes=2)


def test_a_stopped_audit_goes_on_where_it_was(tmp_path, of_marker) -> None:
    kept = tmp_path / "half.json"
    plan = replace(PLAN, methods=("occlusion", "saliency"))

    def stop(progress: Progress) -> None:
        if progress.task == "explaining" and progress.done == 1:
            raise KeyboardInterrupt

    how = {"plan": plan, "env_options": FLOOR, "keep": kept}
    with pytest.raises(Stopped, match="stopped with 1 method scored"):
        audit(marker_reader(), WORLD, on_progress=stop, **how)
    assert set(json.loads(kept.read_text())["methods"]) == {"occlusion"}
    found = audit(marker_reader(), WORLD, resume=True, **how)
    before = {each.method: each.plain() for each in of_marker.methods}["occlusion"]
    after = {each.method: each.plain() for each in found.methods}["occlusion"]
    assert {**before, "seconds": 0} == {**after, "seconds": 0}
    assert not kept.exists()
    with pytest.raises(InputError, match="holds no unfinished audit"):
        audit(marker_reader(), WORLD, resume=True, **how)


def test_a_world_that_cannot_be_asked_is_audited_by_its_windows() -> None:
    found = audit(seeking_policy(), "tests.worlds:Unjudged-v0", plan=PLAN)
    assert found.moved == []
    assert found.decisions is None
    assert found.cues == []
    said = " ".join(found.left_out)
    assert "get_state() and set_state(state)" in said
    assert "objects() and without(name)" in said
    assert found.methods[-1].of("preferred").causal.sure


def test_a_window_that_decides_alone_is_found() -> None:
    class Corner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(40.0))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = self.gain * (x[:, :, :5, :6].mean(dim=(1, 2, 3)) - 0.4)
            return torch.stack([seen, torch.zeros_like(seen), -seen], dim=1)

    policy = Policy(Corner(), ("left", "forward", "right"))
    env = CheckedEnv(gymnasium.make(WORLD), WORLD)
    situations = collect(policy, [env], 80)
    noise = np.random.default_rng(0).integers(0, 256, situations.images.shape, dtype=np.uint8)
    logits = policy.scores(noise).logits.detach().double().numpy()
    scan = scan_windows(
        replace(situations, images=noise, logits=logits), on_progress=lambda _: None
    )
    assert scan.strongest == 0
    assert scan.where(0) == "top left"
    assert scan.alone
    env.environment.close()


def test_true_values_are_what_is_played() -> None:
    """The computation against rollouts of the real environment, with intervals of both."""
    from rlvis.evaluation import action_values as module
    from rlvis_agents import load_policy

    env = CheckedEnv(gymnasium.make(WORLD), WORLD)
    situations = collect(load_policy("cube-reach-choice"), [env], 12)
    places = np.array([0, 7])
    how = {"discount": 0.97, "max_steps": 1000, "on_progress": lambda _: None}
    computed = true_values(situations, places, **how)
    assert computed.computed
    assert computed.widths.max() < 0.02
    played = module._played(situations, places, np.ones((2, 3), bool), 0.97, 1000, lambda _: None)
    np.testing.assert_allclose(computed.values, played.values, atol=0.03)
    assert (computed.low <= computed.high).all()
    env.environment.close()


class Chain:
    """Two ways to the end: 0 gets there at once with 0.5, 1 waits a step and gets 1."""

    start, gains = 0, (0.0, 1.0)

    def __init__(self, steps_left: int = 10) -> None:
        self.steps_left = steps_left

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        if state == 1:
            return 2, 1.0, True
        return (2, 0.5, True) if action == 0 else (1, 0.0, False)

    def picture(self, state: int) -> np.ndarray:
        return np.full((4, 4, 3), state, np.uint8)


class Line(Chain):
    """Twelve places in a row: 0 goes down, 1 goes up, the top ends it with 1."""

    start = 5

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        then = max(0, state - 1) if action == 0 else state + 1
        return then, float(then == 11), then == 11


def undecided(probability: float) -> Policy:
    """Takes the first of two actions so often, whatever it sees."""
    last = torch.nn.Linear(48, 2)
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([probability, 1 - probability]).log()
    return Policy(torch.nn.Sequential(torch.nn.Flatten(), last), ("down", "up"))


HOW = {"max_steps": 100, "on_progress": lambda _: None}


def test_true_values_of_a_world_that_is_known_by_heart() -> None:
    processes = [Chain(), Chain(1)]  # of the second the reward comes too late
    found = computed_values(processes, [0, 0], undecided(0.5), discount=0.9, **HOW)
    np.testing.assert_allclose(found.low, [[0.5, 0.9], [0.5, 0.0]])
    np.testing.assert_allclose(found.high, found.low)
    assert found.drawn == 2


@pytest.mark.parametrize("steps_left", [7, 60])
def test_true_values_are_those_of_dynamic_programming(steps_left) -> None:
    down, discount, line = 0.4, 0.95, Line(steps_left)
    ways = [[line.step(place, action) for action in (0, 1)] for place in range(11)]
    values = np.zeros(12)  # with no step left, and at the top
    for _ in range(steps_left):
        worth = np.array([[gain + discount * values[at] for at, gain, _ in way] for way in ways])
        values[:11] = worth @ [down, 1 - down]
    longer = Line(90)  # beside it, and of no matter to it
    found = computed_values([line, longer], [0, 0], undecided(down), discount=discount, **HOW)
    assert (found.low[0] - 1e-6 <= worth[5]).all()
    assert (worth[5] <= found.high[0] + 1e-6).all()
    assert (found.high - found.low).mean() <= 2 * CLOSE_ENOUGH


def test_kl_is_that_of_torch() -> None:
    lot = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 20, 4, generator=lot).double()
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=one), torch.distributions.Categorical(logits=other)
    )
    np.testing.assert_allclose(divergence(one.numpy(), other.numpy()), expected.numpy())


def test_counterfactuals_are_the_smallest_and_say_what_was_changed(of_marker) -> None:
    assert of_marker.counterfactuals
    for found, before, after in of_marker.counterfactuals:
        assert found.action != found.instead
        changed = (before != after).any(axis=-1).mean()
        assert changed == pytest.approx(found.pixels)
        assert found.sentence.endswith(had(found.change))
    assert sum(each.value for each in of_marker.turned.values()) <= 1 + 1e-9
    assert all(each.low <= each.value <= each.high for each in of_marker.turned.values())


def test_what_cannot_be_audited_is_said_in_a_line() -> None:
    gaussian = DiagonalGaussian((0.0,) * 3, (-1.0,) * 3, (1.0,) * 3)
    steering = replace_distribution(constant(), gaussian)
    with pytest.raises(InputError, match="3 continuous actions"):
        collect(steering, [CheckedEnv(gymnasium.make(WORLD), WORLD)], 12)
    with pytest.raises(InputError, match="frames"):
        AuditPlan(frames=3)


def replace_distribution(policy: Policy, distribution: DiagonalGaussian) -> Policy:
    policy.distribution = distribution
    return policy


def test_the_command(tmp_path, capsys) -> None:
    page = tmp_path / "audit.html"
    command = f"audit --policy cube-reach-choice --quick --frames 12 -m cam --out {page}".split()
    short = [*command, "--decisions", "2", "--episodes", "12"]
    main([*short, "--require", "cam.causal > -1"])
    assert "What moves it most: marker colour" in capsys.readouterr().out
    assert page.exists()
    assert list(tmp_path.iterdir()) == [page]
    with pytest.raises(SystemExit) as ended:
        main([*short, "--require", "shortcuts > 0"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.strip().endswith("shortcuts > 0 does not hold: it is 0")
    for required in ("nonsense", "cam.casual > 0"):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--policy", "missing.zip", "--require", required])
        assert ended.value.code == 2
        assert "missing.zip" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def recorded():
    from rlvis import record
    from rlvis_agents import load_policy

    return record(load_policy("cube-reach-choice"), WORLD, episodes=2, methods="none", seed=3)


def test_regret_joins_the_table_of_episodes_and_the_moments(recorded) -> None:
    from rlvis import EpisodeTable, find_moments
    from rlvis.evaluation.regret import recorded_regrets

    regrets = recorded_regrets(recorded)
    assert [len(regrets[number]) for number in (0, 1)] == [
        len(recorded.numbers(number)) for number in (0, 1)
    ]
    assert all((each >= 0).all() for each in regrets.values())
    table = EpisodeTable.of(recorded).with_regrets(regrets).sort("regret")
    worst = table.episodes[0]
    assert table.columns["regret"][0] == max(each.max() for each in regrets.values()) > 0.01
    (moment,) = find_moments(recorded, 1, kinds=["regret"], regrets=regrets)
    assert (moment.episode, moment.step) == (worst, regrets[worst].argmax())
    with pytest.raises(InputError, match="moments of regret need the true values"):
        find_moments(recorded, 1, kinds=["regret"])
    with pytest.raises(InputError, match="no column 'regret'"):
        EpisodeTable.of(recorded).sort("regret")


def test_regret_needs_states() -> None:
    from rlvis import record
    from rlvis.evaluation.regret import recorded_regrets

    without = record(seeking_policy(), "tests.worlds:Corridor-v0", methods="none", states=False)
    with pytest.raises(InputError, match=r"regret needs the states .*not asked for"):
        recorded_regrets(without)


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Pictures of a plain ground, and a network that looks for red and nothing else."""
    from PIL import Image

    folder, lot = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(24):
        ground = lot.integers(90, 110, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(ground).save(folder / f"{number:02d}.png")
    return folder


class Redness(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.see = torch.nn.Conv2d(3, 1, 1)
        self.head = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.see.weight[:] = torch.tensor([1.0, -1.0, -1.0])[None, :, None, None]
            self.see.bias.zero_()
            self.head.weight[:] = torch.tensor([[30.0], [-30.0]])
            self.head.bias[:] = torch.tensor([-0.5, 0.5])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.see(x).relu().mean(dim=(-2, -1)))


def test_a_classifier_is_audited_by_cubes_put_over_its_pictures(painted, tmp_path) -> None:
    from PIL import Image

    from rlvis import ImageModel, Preprocess, audit_classifier

    model = ImageModel(Redness(), ["red", "other"], Preprocess(size=(48, 64)))
    plan = AuditPlan(frames=24, methods=("occlusion",), quick=True)
    found = audit_classifier(model, painted, plan=plan)
    scores = next(each for each in found.methods if each.method == "occlusion").of("preferred")
    assert scores.causal.low > scores.null("causal")
    assert found.verdicts["occlusion"].word in ("yes", "partly")
    assert found.effects[0].flips.value > 0
    assert "each with two cubes, taken away one at a time" in found.text()
    masks = tmp_path / "masks"
    masks.mkdir()
    half = np.zeros((48, 64), np.uint8)
    half[:, :20] = 255
    Image.fromarray(half).save(masks / "03.png")
    pointed = audit_classifier(model, painted, masks=masks, plan=plan)
    assert {each.subject for each in pointed.effects} == {"a cube", "the object"}
    assert pointed.methods[0].of("preferred").auc.count == 1
    with pytest.raises(InputError, match="holds no mask of any of the pictures"):
        audit_classifier(model, painted, masks=painted.parent, plan=plan)


def test_a_cube_covers_what_its_mask_says() -> None:
    from rlvis.evaluation.planted_cubes import place_cube

    lot = np.random.default_rng(1)
    for _ in range(20):
        image = lot.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        found, mask, _ = place_cube(image, lot, (0.0, 0.5))
        changed = (found != image).any(axis=-1)
        assert not (changed & ~mask).any()
        assert changed.sum() > 0.9 * mask.sum() > 10
        assert not mask[:, 40:].any()


def test_an_audits_page_carries_its_numbers_and_is_read_back(of_shortcut, tmp_path) -> None:
    from rlvis.errors import Notice
    from rlvis.evaluation.audit_files import read_audit

    found = read_audit(of_shortcut.save(tmp_path / "audit.html"))
    assert found.verdicts == of_shortcut.verdicts
    assert found.page == of_shortcut.page().html()
    with pytest.warns(Notice, match="holds the numbers alone"):
        alone = read_audit(of_shortcut.save(tmp_path / "audit.json"))
    assert (alone.verdicts, alone.page) == (found.verdicts, "")
    odd = replace(of_shortcut, policy='</script><script id="rlvis-audit">')
    assert read_audit(odd.save(tmp_path / "odd.html")).policy == odd.policy
    for text in ("[]", of_shortcut.page().html()):
        (tmp_path / "other.html").write_text(text)
        with pytest.raises(InputError, match="holds no audit"):
            read_audit(tmp_path / "other.html")


def test_an_audit_is_of_the_weights_it_was_made_with(of_shortcut, tmp_path) -> None:
    from rlvis.evaluation.audit_files import read_audit
    from rlvis.rollouts.recorded_policy import fingerprint
    from rlvis_agents import load_policy

    found = read_audit(of_shortcut.save(tmp_path / "audit.html"))
    same = fingerprint(load_policy("cube-reach-choice-shortcut"))
    found.check_of("renamed", same)
    found.check_of("cube-reach-choice-shortcut", "")
    with pytest.raises(InputError, match="audit of cube-reach-choice-shortcut, not of cube-reach;"):
        found.check_of("cube-reach", "")
    with pytest.raises(InputError, match="with other weights, not of cube-reach-choice-shortcut"):
        found.check_of("cube-reach-choice-shortcut", "0" * 64)


def test_an_audit_is_shown_by_the_inspector_of_what_it_is_of(
    of_shortcut, recorded, tmp_path
) -> None:
    from rlvis.evaluation.audit_files import read_audit
    from rlvis.inspector.exported import page_of, to_html
    from rlvis.inspector.live_source import LiveSource
    from rlvis.inspector.recorded_source import RecordedSource
    from rlvis.rollouts.environments import EnvConfig
    from rlvis_agents import load_policy

    path = of_shortcut.save(tmp_path / "audit.html")
    found, named = read_audit(path), "cube-reach-choice-shortcut"
    policy, world = load_policy("cube-reach-choice"), EnvConfig(WORLD)
    for refuse in (
        lambda: RecordedSource(recorded, None, audit=found),
        lambda: LiveSource(policy, world, audit=found),
        lambda: to_html(recorded, tmp_path / "run.html", methods="cam", audit=path),
    ):
        with pytest.raises(InputError, match=f"is an audit of {named}, not of cube-reach-choice"):
            refuse()
    own = of_shortcut_in(recorded, found)
    sources = RecordedSource(recorded, None, audit=own), LiveSource(policy, world, audit=own)
    for info in (each.info() for each in sources):
        shown = {each["name"]: each.get("verdict") for each in info["methods"]}
        assert info["audit"]
        assert shown.get("rise") is None
    assert shown["occlusion"] == found.verdicts["occlusion"].word
    assert '"audit":"\\u003c!doctype html>' in page_of(sources[0])


def of_shortcut_in(recorded, found):
    """The audit as if it were of what was recorded."""
    return replace(found, policy="cube-reach-choice", fingerprint=recorded.header.fingerprint)


def test_objects_that_a_user_knows_how_to_take_away_are_parts() -> None:
    """In a world that tells nothing: the light of the corridor, which alone moves the seeker."""

    def dark(image: np.ndarray) -> np.ndarray:
        return np.minimum(image, np.median(image).astype(np.uint8))

    plan = replace(PLAN, methods=("saliency", "occlusion"))
    world = "tests.worlds:Unjudged-v0"
    found = audit(seeking_policy(), world, plan=plan, without={"light": dark})
    (effect,) = found.effects
    assert effect.name == "light removed"
    assert effect.flips.value > 0.3
    assert "objects()" not in " ".join(found.left_out)
    assert found.counterfactuals[0][0].sentence.endswith("had the light not been there")
    wrong = audit(
        seeking_policy(), world, plan=plan, without={"light": lambda image: image[..., 0]}
    )
    assert "light removed gives uint8 (24, 32)" in " ".join(wrong.left_out)


def test_what_should_matter_is_no_shortcut_however_much_hangs_on_it() -> None:
    from rlvis.evaluation.estimates import Estimate
    from rlvis.evaluation.shortcuts import Cue

    lost = Estimate(0.9, 0.8, 1.0, 60, 60)
    assert Cue("floor", False, None, lost=lost).verdict == (
        "a shortcut: 90% of the success hangs on it"
    )
    marker = Cue("marker colour", True, None, lost=lost)
    assert not marker.is_shortcut
    assert marker.verdict == "90% of the success hangs on it, as it should"
    wide = Cue("floor", False, None, lost=Estimate(0.1, -0.2, 0.4, 9, 9))
    assert wide.verdict == "too few episodes to say"
    loose = Cue("floor", False, None, lost=Estimate(0.1, -0.05, 0.27, 60, 60))
    assert loose.verdict == "not shown to be a shortcut: at most 27% hangs on it"


def test_an_audit_is_gone_on_with_only_if_its_maps_are_held_against_the_same(tmp_path) -> None:
    kept = tmp_path / "half.json"

    def stop(progress: Progress) -> None:
        if progress.task == "explaining" and progress.done == 1:
            raise KeyboardInterrupt

    plan = replace(PLAN, methods=("saliency",))
    world = "tests.worlds:Unjudged-v0"
    with pytest.raises(Stopped):
        audit(seeking_policy(), world, plan=plan, keep=kept, on_progress=stop)
    with pytest.raises(InputError, match="of other moments: of another seed"):
        audit(seeking_policy(gain=0.3), world, plan=plan, keep=kept, resume=True)
