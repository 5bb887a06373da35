"""What kind of scores a network gives: found out, said, and followed by words, bars and targets."""

import csv
import io
import json
import warnings
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rlvis import ImageModel, Preprocess, Scores, explain, load_model
from rlvis.attribution.panel_parts import legend_of, score_words, standing_of, standings
from rlvis.attribution.predictions import Prediction
from rlvis.cli import main
from rlvis.display.theme import length
from rlvis.errors import Notice
from rlvis.evaluation.classifier import audit_classifier
from rlvis.evaluation.effects import divergence
from rlvis.features.adversarial.attacks import attack
from rlvis.inspector.photo_source import PhotoSource
from rlvis.models.distributions import (
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Greedy,
    MultiCategorical,
    SquashedGaussian,
)
from rlvis.models.policy import Policy
from rlvis.models.score_kinds import KINDS, kind_named, number, percentage
from rlvis.models.targets import TARGETS, as_targets, contrast
from rlvis.rollouts.episode import EpisodeNumbers
from rlvis.rollouts.film import column_heads
from rlvis.rollouts.film.frame_layout import FrameLayout
from tests.complaints import complaint

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
OTHERS = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3)).astype(np.uint8)
NAMES = ("cat", "dog", "hen", "fox")


class Net(nn.Module):
    """A convolution, a mean, a linear layer, and what is made of it."""

    config: Any

    def __init__(self, count, last, scale=9.0):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 8, 5, 2)
        self.head = nn.Linear(8, count)
        self.last, self.scale = last, scale

    def forward(self, x):
        pooled = torch.relu(self.convolution(x)).mean((2, 3))
        return self.last(self.scale * self.head(pooled))


def numbers_of(net, image=IMAGE):
    with torch.no_grad():
        return net(torch.tensor(image).permute(2, 0, 1)[None] / 255)[0].numpy()


def model_of(net, **how):
    return ImageModel(net, NAMES[: len(numbers_of(net))], **how)


def same(x):
    return x


def ensemble(x):
    return torch.stack([x.softmax(1), (2 * x).softmax(1)]).mean(0)


def by_hand(x):
    return x.exp() / x.exp().sum(1, keepdim=True)


def clipped_sum(x):
    return x.clamp(-5, 5).exp().reciprocal().add(1).reciprocal()


FOUND = {
    "softmax": (4, lambda x: x.softmax(1), "probabilities"),
    "softmax of two": (2, lambda x: x.softmax(1), "probabilities"),
    "softmax by hand": (3, lambda x: by_hand(x.clamp(-20, 20)), "probabilities"),
    "an ensemble": (3, ensemble, "probabilities"),
    "p and 1 - p": (1, lambda x: torch.cat([x.sigmoid(), 1 - x.sigmoid()], 1), "probabilities"),
    "log-softmax": (4, lambda x: x.log_softmax(1), "log-probabilities"),
    "one sigmoid": (1, torch.sigmoid, "independent-probabilities"),
    "sigmoids": (4, torch.sigmoid, "independent-probabilities"),
    "hard sigmoids": (4, nn.functional.hardsigmoid, "independent-probabilities"),
    "the mean of sigmoids": (
        3,
        lambda x: (x.sigmoid() + (3 * x).sigmoid()) / 2,
        "independent-probabilities",
    ),
    "logits": (4, same, "logits"),
    "two logits": (2, same, "logits"),
    "one number": (1, same, "numbers"),
    "tanh": (2, torch.tanh, "numbers"),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found_out_without_a_word(name) -> None:
    count, last, kind = FOUND[name]
    model = model_of(Net(count, last))
    assert model.scores(IMAGE).kind.name == kind
    assert explain(model, IMAGE, "saliency").kind.name == kind


@pytest.mark.parametrize("name", FOUND)
def test_it_does_not_depend_on_the_images(name) -> None:
    count, last, kind = FOUND[name]
    for images in (OTHERS, np.zeros_like(OTHERS), np.full_like(OTHERS[:1], 255)):
        assert model_of(Net(count, last)).scores(images).kind.name == kind
    model = model_of(Net(count, last))
    alone = [explain(model, image, "grad-cam") for image in OTHERS]
    beside = explain(model, OTHERS, "grad-cam")
    for place, each in enumerate(alone):
        own = beside.probabilities[place : place + 1]
        np.testing.assert_allclose(each.probabilities, own, rtol=1e-5)


def test_logits_that_happen_to_lie_between_0_and_1_are_no_probabilities() -> None:
    net = Net(4, same, scale=0.02)
    with torch.no_grad():
        net.head.bias.add_(25)
    assert np.all((numbers_of(net) > 0) & (numbers_of(net) < 1))
    assert model_of(net).scores(IMAGE).kind.name == "logits"


def test_bounded_inputs_of_a_linear_layer_make_no_probabilities() -> None:
    """A network that normalises its input gives numbers that no contrast makes larger."""

    class Normalised(Net):
        def forward(self, x):
            return super().forward((x - x.mean()) / x.std().clamp(min=1e-3))

    net = Normalised(2, same, scale=0.1)
    with torch.no_grad():
        net.head.bias.add_(5)
    net.eval()
    assert model_of(net).scores(IMAGE).kind.name == "logits"
    assert np.all((numbers_of(net) > 0) & (numbers_of(net) < 1))


def test_what_is_doubtful_is_reported_once() -> None:
    tiny, squashed = Net(3, same, scale=1e-3), Net(3, clipped_sum)
    for net, kind, words in (
        (tiny, "numbers", 'below 0.01 .*say scores="logits"'),
        (squashed, "independent-probabilities", 'between 0 and 1 .*say scores="numbers"'),
    ):
        model = model_of(net)
        with pytest.warns(Notice, match=words):
            assert model.scores(IMAGE).kind.name == kind
        assert model.scores(IMAGE).kind.name == kind  # a second warning would be an error
        said = model_of(net, scores="logits")
        assert said.scores(IMAGE).kind.name == "logits"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (lambda x: 100 * x.softmax(1), "shares of 100; probabilities sum to 1"),
        (lambda x: -x.log_softmax(1), "negative log-probabilities"),
        (nn.functional.logsigmoid, "logarithms of independent probabilities"),
        (
            lambda x: (x - x.amin(1, keepdim=True)) / (x.amax(1, keepdim=True) - x.amin(1, True)),
            "stretched from 0 to 1",
        ),
    ],
    ids=["per cent", "negative", "log-sigmoid", "stretched"],
)
def test_scores_of_no_kind_are_plain_numbers(last, words) -> None:
    model = model_of(Net(4, last))
    with pytest.warns(Notice, match=words):
        assert model.scores(IMAGE).kind.name == "numbers"
    assert np.isnan(explain(model, IMAGE, "saliency").probabilities).all()


def test_after_training_it_is_found_out_anew() -> None:
    net = Net(3, same, scale=1e-3)
    with pytest.warns(Notice):
        assert model_of(net).scores(IMAGE).kind.name == "numbers"
    with torch.no_grad():
        net.head.weight.mul_(1e4)
    assert model_of(net).scores(IMAGE).kind.name == "logits"


def test_finding_out_leaves_no_marks() -> None:
    net = Net(4, lambda x: x.softmax(1)).train()
    runs = []
    net.convolution.register_forward_hook(lambda *_: runs.append(1))
    state = torch.random.get_rng_state()
    model_of(net).scores(IMAGE)
    assert net.training
    assert all(each.grad is None and each.requires_grad for each in net.parameters())
    assert torch.equal(state, torch.random.get_rng_state())


def test_networks_that_take_no_noise_are_read_by_what_they_take() -> None:
    class Strict(Net):
        def forward(self, x):
            if bool((x < 0).any()) or bool((x > 1).any()):
                raise ValueError("pixels lie between 0 and 1")
            return super().forward(x)

    model = model_of(Strict(4, same))
    assert model.scores(IMAGE).kind.name == "logits"
    assert model_of(Strict(4, torch.sigmoid)).scores(IMAGE).kind.name == "logits"


CONFIGS = {
    "single_label_classification": (4, same, "logits"),
    "multi_label_classification": (4, same, "independent-logits"),
    "regression": (2, same, "numbers"),
    None: (1, same, "numbers"),
}


@pytest.mark.parametrize("problem", CONFIGS)
@pytest.mark.parametrize("form", [dict, lambda **entries: SimpleNamespace(**entries)])
@pytest.mark.parametrize("key", [int, str])
def test_the_config_of_a_network_names_its_labels_and_its_problem(problem, form, key) -> None:
    count, last, kind = CONFIGS[problem]
    net = Net(count, last)
    names = {key(place): name for place, name in enumerate(NAMES[:count])}
    net.config = form(id2label=names, problem_type=problem)
    for model in (ImageModel(net), load_model(net, preprocess="unit", input_size=48)):
        assert model.labels == NAMES[:count]
        assert model.scores(IMAGE).kind.name == kind
    assert ImageModel(net, list("abcd")[:count]).labels == tuple("abcd"[:count])


def test_a_config_of_several_labels_does_not_hide_probabilities() -> None:
    net = Net(4, torch.sigmoid)
    net.config = {"id2label": dict(enumerate(NAMES)), "problem_type": "multi_label_classification"}
    assert ImageModel(net).scores(IMAGE).kind.name == "independent-probabilities"


@pytest.mark.parametrize(
    "config", [None, {}, {"id2label": {}}, {"id2label": {3: "a"}}, {"id2label": 7}]
)
def test_without_names_labels_must_be_given(config) -> None:
    net = Net(2, same)
    net.config = config
    assert "give labels" in complaint(lambda: ImageModel(net))


def test_what_is_said_comes_first() -> None:
    net = Net(4, same)
    for kind in KINDS:
        assert model_of(net, scores=kind).scores(IMAGE).kind.name == kind
        assert (
            load_model(net, labels=NAMES, scores=kind, input_size=48, preprocess="unit").kind.name
            == kind
        )
        assert load_model(model_of(net), scores=kind).kind.name == kind
    assert model_of(Net(1, same), scores="logits").kind.name == "independent-logits"
    said = complaint(lambda: model_of(net, scores="probs"))
    assert said.startswith("no kind of scores 'probs'; did you mean")
    policy = Policy(net, NAMES)
    assert "--scores does nothing" in complaint(lambda: load_model(policy, scores="logits"))


def test_the_command_is_told_what_scores_are(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_scores.py").write_text(
        "from tests.test_scores_kind import Net, same\ndef make():\n    return Net(2, same)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    Image.fromarray(IMAGE).save("x.png")
    rows = {}
    for kind in ("logits", "independent-logits", "numbers"):
        given = f"--model my_scores:make --labels cat,dog --input-size 48 --scores {kind}"
        main(["explain", "x.png", *given.split(), "--table", "rows.csv", "-t", "cat"])
        rows[kind] = next(csv.DictReader(io.StringIO((tmp_path / "rows.csv").read_text())))
        assert ("%" in capsys.readouterr().out) == (kind != "numbers")
    first, second = numbers_of(Net(2, same))
    shares = {
        "logits": torch.tensor([first, second]).softmax(0).max(),
        "independent-logits": torch.tensor([first, second]).sigmoid().max(),
    }
    for kind, share in shares.items():
        assert float(rows[kind]["probability"]) == pytest.approx(float(share), abs=1e-5)
    assert rows["numbers"]["predicted"] == ""
    assert rows["numbers"]["scores"] == f"cat {number(first)}, dog {number(second)}"


LOGIT_ROW = torch.tensor([[1.5, -0.5, 0.25]], dtype=torch.double)
SHARES = LOGIT_ROW.softmax(1)


def log_of(kind: str) -> torch.Tensor:
    """The log-probabilities of LOGIT_ROW's labels, written out."""
    if kind.startswith("independent"):
        return -torch.log(1 + torch.exp(-LOGIT_ROW))
    return LOGIT_ROW - torch.log(torch.exp(LOGIT_ROW).sum())


def row_of(kind: str) -> torch.Tensor:
    """What a network of that kind gives where one of logits gives LOGIT_ROW."""
    return {
        "log-probabilities": SHARES.log(),
        "probabilities": SHARES,
        "independent-probabilities": LOGIT_ROW.sigmoid(),
    }.get(kind, LOGIT_ROW)


PROBABLE = KINDS[:5]


@pytest.mark.parametrize("kind", PROBABLE)
def test_targets_are_those_of_the_probabilities_written_out(kind) -> None:
    net = nn.Flatten()
    model = ImageModel(net, NAMES[:3], scores=kind)
    raw = row_of(kind).clone().requires_grad_()
    scores = Scores(raw, None, model.labels, kind=model.kind)
    log_p = log_of(kind)
    p = log_p.exp()
    entropy = -(p * log_p).sum()
    if kind.startswith("independent"):
        entropy -= ((1 - p) * torch.log(1 - p)).sum()
    expected = {
        "dog": row_of(kind)[0, 1],
        "against dog": -row_of(kind)[0, 1],
        "cat - dog": row_of(kind)[0, 0] - row_of(kind)[0, 1],
        "p(dog)": p[0, 1],
        "log p(dog)": log_p[0, 1],
        "entropy": entropy,
        "highest": row_of(kind)[0, 0],
    }
    for written, value in expected.items():
        (target,) = as_targets(written, model)
        found = target(scores)
        assert found.item() == pytest.approx(value.item(), rel=1e-6), written
        (gradient,) = torch.autograd.grad(found.sum(), raw, retain_graph=True)
        step = 1e-6 * torch.eye(3, dtype=torch.double)
        for place in range(3):
            ahead, behind = (
                target(
                    Scores(raw.detach() + sign * step[place], None, model.labels, kind=model.kind)
                )
                for sign in (1, -1)
            )
            slope = ((ahead - behind) / 2e-6).item()
            assert gradient[0, place].item() == pytest.approx(slope, abs=1e-5), written
    (margin,) = as_targets("margin", model) if not kind.startswith("independent") else (None,)
    if margin is None:
        assert "one choice" in complaint(lambda: as_targets("margin", model))
    else:
        gap = row_of(kind)[0, 0] - row_of(kind)[0, 2]
        assert margin(scores).item() == pytest.approx(gap.item())


@pytest.mark.parametrize("kind", ["numbers", "q-values"])
def test_what_has_no_probabilities_refuses_them_and_says_why(kind) -> None:
    model = model_of(Net(3, same), scores=kind)
    for written in ("entropy", "p(cat)", "log p(cat)"):
        said = complaint(partial(explain, model, IMAGE, "saliency", written))
        assert said.startswith(f"the target '{written}' is made of probabilities")
        assert "scores=" in said
    refused = complaint(lambda: explain(model, IMAGE, "saliency", "margin"))
    assert ("one choice" in refused) == (kind == "numbers")
    found = Net(1, same)
    assert "made of probabilities" in complaint(
        lambda: explain(model_of(found), IMAGE, "saliency", "entropy")
    )
    assert np.isnan(explain(model, IMAGE, "saliency").probabilities).all()


POLICY_KINDS = {
    "categorical": (Categorical(4), "logit", True, True),
    "greedy": (Greedy(4), "Q-value", True, False),
    "several": (MultiCategorical((2, 2)), "logit", False, True),
    "bits": (Bernoulli(4), "logit", False, True),
    "means": (DiagonalGaussian((0.0,) * 4, (-1.0,) * 4, (1.0,) * 4), "mean", False, False),
    "tanh": (SquashedGaussian((0.0,) * 4, (-1.0,) * 4, (1.0,) * 4), "mean", False, False),
}


@pytest.mark.parametrize("name", POLICY_KINDS)
def test_the_scores_of_policies_are_of_the_kind_of_their_actions(name) -> None:
    distribution, unit, competing, probable = POLICY_KINDS[name]
    policy = Policy(Net(4, same), NAMES, distribution=distribution)
    why = explain(policy, IMAGE, "saliency", ["cat", "against cat", "cat - dog"])
    assert why.score_units == (unit,) * 3
    assert why.scores[0, 1] == -why.scores[0, 0]
    for written, works in (("margin", competing), ("entropy", probable), ("p(cat)", probable)):
        said = complaint(partial(explain, policy, IMAGE, "saliency", written))
        assert bool(said) != works, written
        assert "scores=" not in said  # nobody can say another kind of a policy


def test_a_policy_whose_module_gives_probabilities_is_refused() -> None:
    """Its actions would be drawn from the softmax of a softmax."""
    net = Net(3, lambda x: x.softmax(1))
    said = complaint(lambda: Policy(net, NAMES[:3]).act(IMAGE))
    assert "gives probabilities, and actions are drawn from logits" in said
    for fine in (Net(3, same), Net(3, lambda x: x.softmax(1).log())):
        logits = Policy(fine, NAMES[:3]).act(IMAGE).logits
        np.testing.assert_allclose(logits, numbers_of(fine), rtol=1e-4)
    said_so = Policy(net, NAMES[:3], distribution=Categorical(3))
    assert said_so.act(IMAGE).logits.sum() == pytest.approx(1)


def test_several_choices_have_the_entropy_of_each() -> None:
    logits = torch.tensor([[1.0, 0.0, -0.3, 0.8]], dtype=torch.double)
    for distribution in (MultiCategorical((2, 2)), Bernoulli(4)):
        if isinstance(distribution, Bernoulli):
            each = torch.distributions.Bernoulli(logits=logits).entropy().sum()
        else:
            each = sum(
                torch.distributions.Categorical(logits=part).entropy()[0]
                for part in (logits[:, :2], logits[:, 2:])
            )
        assert distribution.entropy(logits).item() == pytest.approx(float(each))


WORDS = {
    "logits": ("logit 0.62", "65%", "probability"),
    "log-probabilities": ("log-probability -0.43", "65%", "probability"),
    "probabilities": ("probability 65%", "", "probability"),
    "independent-logits": ("logit 0.62", "65%", "probability of each"),
    "independent-probabilities": ("probability 65%", "", "probability of each"),
    "q-values": ("Q-value 0.62", "", "Q-value"),
    "numbers": ("score 0.62", "", "score"),
}
GIVEN = {
    "logits": (0.62, 0.0),
    "log-probabilities": (float(np.log(0.65)), float(np.log(0.35))),
    "probabilities": (0.65, 0.35),
    "independent-logits": (0.62, 2.0),
    "independent-probabilities": (0.65, 0.9),
    "q-values": (0.62, 0.0),
    "numbers": (0.62, 0.0),
}


class Always(nn.Module):
    """Gives the same scores for every image, on which a drop of it bears."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = nn.Parameter(torch.tensor(scores))

    def forward(self, x):
        return self.scores + 0 * x.mean((1, 2, 3))[:, None]


@pytest.mark.parametrize("kind", KINDS)
def test_words_bars_and_tables_follow(kind, tmp_path) -> None:
    model = ImageModel(Always(*GIVEN[kind]), ["cat", "dog"], scores=kind, name="it")
    why = explain(model, IMAGE, "occlusion", ["cat", "dog"])
    score, share, heading = WORDS[kind]
    assert score_words(why, 0, 0)[:2] == (score, share)
    assert standing_of(why) == heading
    told = standings(why, 0)
    has_shares = why.kind.probable
    assert [each.share is not None for each in told] == [has_shares] * 2
    assert told[0].words == ("65%" if has_shares else "0.62")
    page = why.page().html()
    assert f"{told[0].words} cat" in page
    assert ("%" in page.split("cat")[0].split("what the network sees")[-1]) == has_shares
    prediction = Prediction.of("x.png", why)
    dog = kind.startswith("independent")
    assert prediction.predicted == ("" if kind == "numbers" else "dog" if dog else "cat")
    assert ("%" in prediction.says) == has_shares
    assert np.isnan(prediction.probability) != has_shares
    column = why.table()["probability"]
    assert bool(np.isnan(column).all()) != has_shares
    why.save(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("independent-probabilities", 0.9, "cat 90%"),
        ("independent-probabilities", 0.2, "not cat 80%"),
        ("independent-logits", -3.0, "not cat 95%"),
        ("numbers", 41.2, "cat 41.20"),
        ("numbers", 0.0012, "cat 0.0012"),
    ],
)
def test_of_a_single_label_it_says_what_the_network_says(kind, given, says) -> None:
    why = explain(ImageModel(Always(given), ["cat"], scores=kind), IMAGE, "occlusion")
    assert Prediction.of("x.png", why).says == says
    assert ">100%" not in why.page().html()


@pytest.mark.parametrize("kind", KINDS)
def test_the_inspector_has_the_same_words(kind) -> None:
    model = ImageModel(Always(*GIVEN[kind]), ["cat", "dog"], scores=kind)
    source = PhotoSource(model)
    content = io.BytesIO()
    Image.fromarray(IMAGE).save(content, "PNG")
    number_of = source.sent(content.getvalue())
    _, facts = source.explained(number_of, "occlusion", ["cat"], None)
    assert facts["words"] == [WORDS[kind][0]]
    assert bool(np.isnan(facts["probability"][0])) == (kind in ("numbers", "q-values"))


def test_what_is_made_of_probabilities_is_not_called_one() -> None:
    model = ImageModel(Always(0.7, 0.3), ["cat", "dog"], scores="probabilities")
    asked = {
        "cat": "probability 70%",
        "p(cat)": "probability 70%",
        "against cat": "-0.70 in probability",
        "dog - cat": "-0.40 in probability",
    }
    why = explain(model, IMAGE, "occlusion", list(asked))
    assert [score_words(why, 0, column)[0] for column in range(4)] == list(asked.values())


def test_the_words_of_a_clipped_mean_are_what_is_done_and_what_it_was() -> None:
    bounds = (-1.0, -1.0), (1.0, 1.0)
    for distribution, words in (
        (DiagonalGaussian((0.0, 0.0), *bounds), ["mean 1.00 (1.73 before clipping)", "mean 0.50"]),
        (
            SquashedGaussian((0.0, 0.0), *bounds),
            ["mean 0.94 (1.73 before tanh)", "mean 0.46 (0.50 before tanh)"],
        ),
    ):
        policy = Policy(Always(1.73, 0.5), ["gas", "turn"], distribution=distribution)
        why = explain(policy, IMAGE, "occlusion", ["gas", "turn"])
        assert [score_words(why, 0, column)[0] for column in range(2)] == words
        assert standings(why, 0)[0].words == words[0].removeprefix("mean ")
        acted = policy.act(IMAGE, deterministic=True).action
        assert f"mean {acted[0]:.2f}" in words[0]


def notes_of(net, kind, method="saliency", **how):
    model = model_of(net, scores=kind)
    return [each for row in explain(model, IMAGE, method, **how).notes for each in row]


def test_weak_is_measured_on_the_scale_of_the_score() -> None:
    small = Net(2, same, scale=1e-3)
    assert np.abs(numbers_of(small)).max() < 5e-3
    assert notes_of(small, "numbers", target="cat") == [[]]
    assert notes_of(Net(1, same, scale=1e-6), "numbers") == [[]]
    assert notes_of(Net(2, same, scale=1e-6), "logits", target="cat") == [
        ["weak: adds up to less than 0.01 logit"]
    ]
    assert notes_of(Net(2, same, scale=1e-6), "logits", target="entropy") == [
        ["weaker than rounding noise"]
    ]
    even = notes_of(Net(2, same, scale=3e-3), "logits", "occlusion", target="entropy")
    assert even == [["weak: changes it by less than 0.01 nats"]]

    def shifted(by):
        def last(x):
            return torch.cat([x + by, -x - by], 1).softmax(1)

        return last

    for by in (-6.0, -3.0, 0.0, 3.0):
        assert notes_of(Net(1, shifted(by)), "probabilities", target="cat") == [[]]
    for by in (-6.0, -3.0, 0.0):
        faint = notes_of(Net(1, shifted(by), scale=1e-3), "probabilities", target="cat")
        assert faint == [["weak: adds up to less than 1% of it"]]


def test_one_large_number_does_not_hide_a_small_one() -> None:
    def far_apart(x):
        return torch.cat([x[:, :1] + 1e4, 1e-3 * x[:, 1:]], 1)

    assert notes_of(Net(2, far_apart), "numbers", target="dog") == [[]]
    assert notes_of(Net(2, far_apart), "logits", target="dog") == [["weaker than rounding noise"]]


def test_the_value_is_measured_by_itself() -> None:
    class Critic(Net):
        def forward(self, x):
            scores = super().forward(x)
            return 1e5 + scores, 1e-3 * scores.sum(1)

    policy = Policy(Critic(2, same), ["a", "b"])
    assert explain(policy, IMAGE, "saliency", "value").notes == [[[]]]


@pytest.mark.parametrize("method", ["sarfa", "perturbation", "occlusion", "rise", "saliency"])
def test_methods_use_the_probabilities_of_the_kind(method) -> None:
    """A network and the same with its softmax: what is made of probabilities is the same."""
    logits, shares = Net(3, same), Net(3, lambda x: x.softmax(1))
    options: dict[str, Any] = {"masks": 20} if method == "rise" else {}
    target = "cat" if method == "sarfa" else "log p(cat)"
    one, other = (
        explain(model_of(net), IMAGE, method, target, **options) for net in (logits, shares)
    )
    if method == "perturbation":  # of all scores, whatever they are
        assert np.abs(one.maps).max() > np.abs(other.maps).max() > 0
    else:
        np.testing.assert_allclose(one.maps, other.maps, rtol=2e-3, atol=1e-6)


def test_sarfa_refuses_what_is_not_one_of_several() -> None:
    for net in (Net(3, torch.sigmoid), Net(1, same), Net(2, torch.tanh)):
        said = complaint(partial(explain, model_of(net), IMAGE, "sarfa", "cat"))
        assert "sarfa is about one choice" in said
    against = complaint(lambda: explain(model_of(Net(3, same)), IMAGE, "sarfa", "against cat"))
    assert "one label at a time" in against


def test_attacks_follow_the_probabilities_or_refuse() -> None:
    one, other = (
        attack(model_of(net), IMAGE, "fgsm", eps=0.02)
        for net in (Net(3, same, 1.0), Net(3, lambda x: x.softmax(1), 1.0))
    )
    agree = (one.change.sign() == other.change.sign()).float().mean()
    assert agree > 0.99
    shares = numbers_of(Net(3, lambda x: x.softmax(1), 1.0))
    assert other.table()["probability_before"] == pytest.approx([float(shares.max())], rel=1e-5)
    for net in (Net(3, torch.sigmoid), Net(1, torch.sigmoid), Net(1, same)):
        assert "an attack is about one choice" in complaint(partial(attack, model_of(net), IMAGE))


def test_audits_compare_the_probabilities_of_the_kind_or_refuse(tmp_path) -> None:
    others = LOGIT_ROW.flip(1)
    far = divergence(LOGIT_ROW.numpy(), others.numpy())
    expected = (SHARES * (SHARES.log() - others.softmax(1).log())).sum()
    assert far[0] == pytest.approx(float(expected))
    again = divergence(SHARES.numpy(), others.softmax(1).numpy(), kind_named("probabilities", 3))
    assert again[0] == pytest.approx(float(expected))
    for place, image in enumerate(np.random.default_rng(2).integers(0, 256, (12, 48, 48, 3))):
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{place}.png")
    for net in (Net(2, torch.sigmoid), Net(2, torch.tanh)):
        model = model_of(net, preprocess=Preprocess(size=(48, 48)))
        said = complaint(partial(audit_classifier, model, tmp_path))
        assert "an audit is about one choice" in said


class Drawn(list):
    """The texts that are written over columns."""

    def __call__(self, canvas, text, *where, **how):
        self.append(text)
        return length(text, where[2])


@pytest.mark.parametrize("columns", [2, 9])
def test_over_a_column_of_a_film_a_clipped_mean_stands_with_what_it_was(
    monkeypatch, columns
) -> None:
    monkeypatch.setattr(column_heads, "on_dark", drawn := Drawn())
    bounds = (-1.0,) * columns, (1.0,) * columns
    distribution = DiagonalGaussian((0.0,) * columns, *bounds)
    episode = EpisodeNumbers(
        seed=0,
        actions=np.zeros((2, columns), np.float32),
        rewards=np.zeros(2, np.float32),
        logits=np.tile(np.float32([[1.73] + [0.5] * (columns - 1)]), (2, 1)),
        values=np.zeros(2, np.float32),
        info={},
        terminated=False,
        truncated=False,
        success=None,
        distribution=distribution,
    )
    width = FrameLayout.width_of(columns)
    names = [f"joint {place}" for place in range(columns)]
    heads = column_heads.ActionHeads(episode, names, range(columns), width)
    for place in range(2):
        heads.draw(np.zeros((80, width, 3), np.uint8), 0, place, 0, 10, width)
    assert "1.73 → 1.00" in drawn
    assert "0.50" in drawn


def test_a_probability_of_0_has_no_logarithm() -> None:
    model = ImageModel(Always(1.0, 0.0), ["cat", "dog"], scores="probabilities")
    assert "p(dog)" in complaint(lambda: explain(model, IMAGE, "occlusion", "log p(dog)"))
    why = explain(model, IMAGE, "occlusion", ["p(dog)", "log p(cat)", "entropy"])
    assert why.scores.tolist() == [[0, 0, 0]]
    assert np.isfinite(why.maps).all()


def test_a_target_has_the_name_of_a_label_only_where_it_is_its_score() -> None:
    model = ImageModel(Net(3, same), ["cat", "dog", "cat - dog"])

    def cat(scores: Scores) -> torch.Tensor:
        return scores.logits[:, 1]

    why = explain(model, IMAGE, "grad-cam", [cat, contrast("cat", "dog"), "cat - dog"])
    assert why.targets[0] == ["target cat", "target cat - dog", "cat - dog"]
    shares = why.target_probabilities[0]
    assert np.isnan(shares[:2]).all()
    assert shares[2] == why.probabilities[0, 2]
    legends = [
        legend_of(explain(model, IMAGE, "grad-cam", each), 0, [1.0], "row").difference
        for each in (cat, contrast("cat", "dog"), "cat - dog", "margin")
    ]
    assert legends == [False, True, False, True]


def test_labels_that_do_not_exclude_each_other_are_judged_one_by_one() -> None:
    model = ImageModel(Always(2.0, 1.0, -1.0), ["cat", "dog", "hen"], scores="independent-logits")
    why = explain(model, IMAGE, "occlusion", "cat")
    judged = [Prediction.of("a.png", why, label).correct for label in (0, 1, 2, None)]
    assert judged == [True, True, False, None]
    one = ImageModel(Always(2.0, 1.0, -1.0), ["cat", "dog", "hen"], scores="logits")
    why = explain(one, IMAGE, "occlusion", "cat")
    judged = [Prediction.of("a.png", why, label).correct for label in (0, 1, 2, None)]
    assert judged == [True, False, False, None]


def test_a_label_that_looks_like_a_form_is_found() -> None:
    model = ImageModel(Net(2, same), ["Against the wall", "P(all)"])
    assert as_targets("against the wall", model)[0].name == "against the wall"
    assert as_targets("against against the wall", model)[0].name == "against against the wall"
    assert as_targets("p(all)", model)[0](model.scores(IMAGE)).shape == (1,)
    assert "no target 'nobody'" in complaint(lambda: as_targets("against nobody", model))


def test_every_target_works_or_refuses_with_every_kind() -> None:
    labels = NAMES[:3]
    for form, kind in product(TARGETS, KINDS):
        written = form.replace("{label}", "cat").replace("{against}", "dog")
        model = ImageModel(Net(3, same), labels, scores=kind)
        if written in ("value", "chosen"):
            continue
        raw = row_of(kind).float().requires_grad_()
        scores = Scores(raw, None, labels, kind=model.kind)
        said = complaint(partial(as_targets, written, model))
        assert not said or said.startswith(f"the target '{written}' is ")
        if not said:
            found = as_targets(written, model)[0](scores)
            assert found.shape == (1,)
            assert bool(found.isfinite().all())


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0.00"), (3.14159, "3.14"), (0.00123, "0.0012"), (-1e-5, "-1e-05")]
)
def test_small_numbers_keep_their_digits(value, words) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.563, "56%"), (0.004, "0.4%"), (1e-4, "<0.1%"), (0, "0.0%"), (-0.3, "-30%")],
)
def test_shares_in_per_cent(share, words) -> None:
    assert percentage(share) == words


def test_a_kind_is_kept_where_scores_are_joined_and_cut() -> None:
    scores = Scores(torch.rand(4, 3), None, NAMES[:3], kind=kind_named("numbers", 3))
    assert Scores.joined([scores, scores]).kind is scores.kind
    assert scores.rows(slice(0, 2)).kind is scores.kind


def test_files_of_data_hold_the_probabilities_of_the_network(tmp_path) -> None:
    net = Net(4, lambda x: x.softmax(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        why = explain(model_of(net), IMAGE, "saliency")
    np.testing.assert_allclose(why.arrays()["probabilities"][0], numbers_of(net), atol=1e-6)
    json.dumps(why.table()["unit"])
