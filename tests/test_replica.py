"""Nothing on the user's model changes, however its forward is written, and answers repeat."""

import gc
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from types import MethodType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis import METHODS, ImageModel, explain
from rlvis.attribution.evidence import Evidence
from rlvis.models.replica import replicate
from tests.conftest import LABELS, randomise
from tests.test_attribution import OF_CNNS

NETWORK: nn.Module = nn.Identity()


class Normed(nn.Module):
    """Batch normalisation in train mode: it may be neither run nor written to."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean(dim=(2, 3)))


class RunningMean:
    """As agents carry it about: no module, no tensor."""

    def __init__(self) -> None:
        self.mean, self.count = np.zeros(3, np.float32), 1.0

    def update(self, x: Tensor) -> Tensor:
        self.mean += 0.1 * (x.mean(dim=(0, 2, 3)).detach().numpy() - self.mean)
        self.count += 1
        return x - torch.from_numpy(self.mean.copy())[:, None, None] * self.count


class Changing(Normed):
    """Changes what it holds whenever it runs, in one way or another."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.register_buffer("mean", torch.zeros(3))
        self.mean: Tensor
        self.loose, self.steps, self.statistics = torch.zeros(3), 0, RunningMean()
        self.seen: list[Tensor] = []
        self.hidden: Tensor | None = None
        self.by_name = {"mean": torch.zeros(3)}

    def forward(self, x: Tensor) -> Tensor:
        now = x.mean(dim=(0, 2, 3)).detach()
        if self.how == "buffer in place":
            self.mean.lerp_(now, 0.1)
        elif self.how == "buffer":
            self.mean = self.mean + 0.1 * now
        elif self.how == "attribute in place":
            self.mean = self.loose.add_(0.1 * now)
        elif self.how == "dict":
            self.mean = self.by_name["mean"].add_(0.1 * now)
        elif self.how == "count":
            self.steps += 1
            self.mean = self.mean + 0.1 * self.steps
        elif self.how == "list":
            self.seen.append(now)
            self.mean = torch.stack(self.seen).sum(dim=0)
        elif self.how == "object":
            return super().forward(self.statistics.update(x))
        elif self.how == "hidden":
            self.hidden = now if self.hidden is None else self.hidden + now
            self.mean = self.hidden
        return super().forward(x - self.mean[:, None, None])


def plain(network: nn.Module) -> nn.Module:
    return network


def bound(network: nn.Module) -> nn.Module:
    network.forward = MethodType(lambda self, x: Normed.forward(self, x), network)
    return network


def by_partial(network: nn.Module) -> nn.Module:
    network.forward = partial(Normed.forward, network)
    return network


def by_partial_of_method(network: nn.Module) -> nn.Module:
    network.forward = partial(network.forward)
    return network


def by_lambda(network: nn.Module) -> nn.Module:
    inner = network.forward
    network.forward = lambda x: inner(x)
    return network


def by_default(network: nn.Module) -> nn.Module:
    network.forward = lambda x, self=network: Normed.forward(self, x)
    return network


def by_decorator(network: nn.Module) -> nn.Module:
    def checked(function: Callable) -> Callable:
        @wraps(function)
        def wrapper(*args: Tensor) -> Tensor:
            return function(*args)

        return wrapper

    network.forward = checked(checked(network.forward))
    return network


def by_global(network: nn.Module) -> nn.Module:
    global NETWORK
    NETWORK = network
    network.forward = lambda x: NETWORK.head(NETWORK.features(x).mean(dim=(2, 3)))
    return network


def by_object(network: nn.Module) -> nn.Module:
    class Runner:
        def __init__(self) -> None:
            self.network = network

        def __call__(self, x: Tensor) -> Tensor:
            return Normed.forward(self.network, x)

    network.forward = Runner()
    return network


class Holder(nn.Module):
    """Holds a network where `modules()` does not find it."""

    def __init__(self, network: nn.Module, how: str) -> None:
        super().__init__()
        held = {"list": [network], "dict": {"it": [network]}, "tuple": ((network,),)}[how]
        self.how, self.held = how, held

    def forward(self, x: Tensor) -> Tensor:
        held = self.held["it"] if self.how == "dict" else self.held
        return (held[0][0] if self.how == "tuple" else held[0])(x)


def compiled(network: nn.Module) -> nn.Module:
    return torch.compile(network, backend="eager")


def compiled_in_place(network: nn.Module) -> nn.Module:
    network.compile(backend="eager")
    return network


def compiled_inside(network: nn.Module) -> nn.Module:
    network.add_module("features", torch.compile(network.features, backend="eager"))
    return network


def compiled_forward(network: nn.Module) -> nn.Module:
    vars(network)["forward"] = torch.compile(network.forward, backend="eager")
    return network


def scripted_inside(network: nn.Module) -> nn.Module:
    network.add_module("features", torch.jit.script(network.features))
    return network


WAYS: dict[str, Callable[..., nn.Module]] = {
    each.__name__: each
    for each in (
        *(plain, bound, by_partial, by_partial_of_method, by_lambda, by_default, by_decorator),
        *(by_global, by_object, compiled, compiled_in_place, compiled_inside, compiled_forward),
        *(torch.jit.script, scripted_inside, torch.fx.symbolic_trace),
    )
} | {how: partial(Holder, how=how) for how in ("list", "dict", "tuple")}


def state(*modules: nn.Module) -> list:
    return [
        *(tensor.clone() for module in modules for tensor in module.state_dict().values()),
        *(each.training for module in modules for each in module.modules()),
        *(len(each._forward_hooks) for module in modules for each in module.modules()),
        torch.get_rng_state(),
        torch.tensor(np.random.get_state()[1].astype(np.int64)),
        random.getstate(),
    ]


def assert_same(before: list, after: list) -> None:
    for one, two in zip(before, after, strict=True):
        assert torch.equal(one, two) if isinstance(one, Tensor) else one == two


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("way", WAYS)
def test_however_forward_is_written_the_copy_runs_in_eval_mode(inputs, way) -> None:
    network = randomise(Normed()).train()
    expected = explain(ImageModel(network, LABELS), inputs, ["saliency", "occlusion"])
    module = WAYS[way](network)
    model, before = ImageModel(module, LABELS), state(module, network)
    for _ in range(2):
        ours = explain(model, inputs, ["saliency", "occlusion"])
        for name, each in expected.items():
            np.testing.assert_allclose(ours[name].maps, each.maps, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(model.scores(inputs).logits, each.scores, rtol=1e-4, atol=1e-5)
    assert_same(before, state(module, network))


@pytest.mark.parametrize(
    "way", ["plain", "compiled", "compiled_in_place", "by_lambda", "by_global"]
)
@pytest.mark.parametrize("method", ["grad-cam", "cam", "guided-backprop", "ablation-cam"])
def test_layers_are_seen_however_forward_is_written(inputs, method, way) -> None:
    network = randomise(Normed()).train()
    expected = explain(ImageModel(network, LABELS), inputs, method)
    ours = explain(ImageModel(WAYS[way](network), LABELS), inputs, method)
    np.testing.assert_allclose(ours.maps, expected.maps, rtol=1e-4, atol=1e-6)
    assert ours.layer in (expected.layer, f"_orig_mod.{expected.layer}")


CHANGES = [
    *("buffer in place", "buffer", "attribute in place", "dict", "count", "list", "object"),
    "hidden",
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("method", [*OF_CNNS])
def test_what_a_pass_changes_is_put_back(inputs, change, method) -> None:
    network = randomise(Changing(change)).eval()
    model = ImageModel(network, LABELS)
    before = state(network), network.mean.clone(), network.loose.clone(), network.steps
    first = model.scores(inputs).logits
    maps = explain(model, inputs, method).maps
    for _ in range(2):
        torch.testing.assert_close(model.scores(inputs).logits, first, rtol=0, atol=0)
        np.testing.assert_array_equal(explain(model, inputs, method).maps, maps)
    assert_same(before[0], state(network))
    assert torch.equal(network.mean, before[1])
    assert torch.equal(network.loose, before[2])
    assert not network.loose.any()
    assert (network.steps, network.seen, network.hidden) == (0, [], None)
    assert network.statistics.count == 1
    assert not network.statistics.mean.any()
    assert not network.by_name["mean"].any()


@pytest.mark.parametrize("change", CHANGES)
def test_every_pass_of_a_call_starts_from_the_same_state(inputs, change) -> None:
    model = ImageModel(randomise(Changing(change)).eval(), LABELS)
    replica = replicate(model.module)
    with torch.no_grad():
        runs = [model.run(replica, inputs, {}).logits for _ in range(3)]
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


class Drawing(Normed):
    """Draws at random in its forward, in one way or another."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.generator = how, torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        draw = {
            "dropout": lambda: F.dropout(x, 0.5, training=True),
            "noise": lambda: x + torch.randn_like(x),
            "in place": lambda: x + torch.empty_like(x).uniform_(),
            "mask": lambda: x * torch.bernoulli(torch.full_like(x, 0.5)),
            "choice": lambda: x.roll(int(torch.randint(5, (1,))), -1),
            "own generator": lambda: x + torch.randn(x.shape, generator=self.generator),
        }[self.how]
        return super().forward(draw())


DRAWS = ["dropout", "noise", "in place", "mask", "choice", "own generator"]


@pytest.mark.filterwarnings("ignore:.*draws random numbers whenever it runs")
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("method", [*METHODS])
def test_a_network_that_draws_draws_the_same_and_moves_nothing(inputs, draw, method) -> None:
    if METHODS[method].reads_attention:
        pytest.skip("no transformer")
    network = randomise(Drawing(draw)).eval()
    model = ImageModel(network, LABELS)
    before, own = state(network), network.generator.get_state()
    maps = explain(model, inputs, method).maps
    assert_same(before, state(network))
    assert torch.equal(network.generator.get_state(), own)
    torch.manual_seed(7)
    np.testing.assert_array_equal(explain(model, inputs, method).maps, maps)


@pytest.mark.filterwarnings("ignore:.*draws random numbers whenever it runs")
def test_eight_threads_draw_the_same(inputs) -> None:
    models = [ImageModel(randomise(Drawing(each)).eval(), LABELS) for each in DRAWS]
    alone = [explain(each, inputs, "occlusion").maps for each in models]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        numbers = [*range(len(models))] * 3
        together = pool.map(lambda each: explain(models[each], inputs, "occlusion").maps, numbers)
        for number, maps in zip(numbers, together, strict=True):
            np.testing.assert_array_equal(maps, alone[number])
    assert torch.equal(torch.get_rng_state(), before)


def test_after_a_draw_and_a_fault_the_state_is_as_before(inputs) -> None:
    class Faulty(Normed):
        def forward(self, x: Tensor) -> Tensor:
            torch.rand(3)
            raise KeyError("x")

    model, before = ImageModel(Faulty(), LABELS), torch.get_rng_state()
    with pytest.raises(KeyError):
        explain(model, inputs, "saliency")
    assert torch.equal(torch.get_rng_state(), before)
    with ThreadPoolExecutor(1) as pool:  # nobody holds the lock
        pool.submit(explain, ImageModel(Drawing("noise"), LABELS), inputs, "saliency").result(9)


@pytest.mark.parametrize("method", OF_CNNS)
def test_nothing_of_an_explanation_is_held_when_it_is_over(policy, method) -> None:
    """The maps of layers were held for ever, some megabytes for each batch of images.

    So were, by hooks that led back to their own nodes, the graphs of ReLUs crossed by a rule.
    """
    images = np.zeros((4, 24, 32, 3), np.uint8)
    explain(policy, images, method, "left")
    gc.collect()
    before = {id(each) for each in _of_explanations()}
    for _ in range(3):
        explain(policy, images, method, "left")
    held = [each for each in gc.get_objects() if type(each) is Evidence]
    assert not [each for each in held if id(each) not in before]
    gc.collect()
    assert not [each for each in _of_explanations() if id(each) not in before]


def _of_explanations() -> list[object]:
    """Modules, nodes of autograd's graphs and whatever else is alive that explaining makes."""
    makers = ("rlvis.attribution", "rlvis.instrument")
    return [
        each
        for each in gc.get_objects()
        if issubclass(type(each), nn.Module)
        or type(each).__name__.endswith("Backward0")
        or str(type(each).__module__).startswith(makers)
    ]
