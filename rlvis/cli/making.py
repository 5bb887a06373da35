"""`rlvis features synthesize`, `dream` and `attack`: images made by gradients."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from rlvis.cli.loading import agents_package, home_of, load_model, load_policy, open_image_set
from rlvis.cli.progress import progress
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.model import ImageModel


def synthesize(
    objectives: Positional[tuple[str, ...]],
    /,
    model: str = "efficientnet-lite0",
    count: int = 1,
    steps: int = 512,
    size: tuple[int, int] | None = None,
    parametrization: Literal["fourier", "pixels"] = "fourier",
    robust: bool = True,
    diverse: float = 0.0,
    seed: int = 0,
    images: str | None = None,
    out: Path = Path("synthesis.png"),
    data: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """Images that excite a class, a unit or a combination of them most.

    Args:
        objectives: labels, units as layer:17 (layer:17@middle for one place), and sums and
            differences of them, as in "left - right"; a row each.
        model: as for `rlvis explain`.
        count: how many images of each.
        steps: of gradient ascent.
        size: height and width, the model's own when left out.
        parametrization: by the spectrum, or plain pixels.
        robust: move the images at random meanwhile.
        diverse: how much the images of a row are driven apart.
        seed: of start and moves.
        images: real images, of which the strongest are shown beside.
        out: the picture to write.
        data: also write images and values (.npz or .safetensors), of one objective.
        weights: as for `rlvis explain`.
        device: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    from rlvis.features.synthesis.real import strongest
    from rlvis.features.synthesis.synthesize import save_synthesis
    from rlvis.features.synthesis.synthesize import synthesize as make

    if not objectives:
        raise InputError("nothing to excite; name a label or a unit as layer:17")
    if data is not None and len(objectives) > 1:
        raise InputError("--data takes one objective; name one, or leave it out")
    inspected = load_model(model, weights, device, trust)
    made = []
    for objective in objectives:
        with progress("step") as (start, advance):
            start(steps, objective)
            one = make(
                inspected,
                objective,
                count=count,
                size=size,
                steps=steps,
                parametrization=parametrization,
                robust=robust,
                diverse=diverse,
                seed=seed,
                on_step=advance,
            )
        made.append(one)
    real = (
        [strongest(inspected, open_image_set(images), each) for each in objectives]
        if images
        else []
    )
    print(save_synthesis(made, out, real))
    if data is not None:
        print(made[0].save_data(data))
    faults = [each.fault for each in made if each.fault]
    if faults:
        raise InputError(f"{faults[0]}; the last good images are in {out}")


def dream(
    image: Positional[Path | None] = None,
    /,
    model: str = "efficientnet-lite0",
    what: str | None = None,
    guide: Path | None = None,
    octaves: int = 4,
    scale: float = 1.4,
    iterations: int = 10,
    step: float = 1.5,
    jitter: int = 32,
    size: tuple[int, int] = (360, 480),
    seed: int = 0,
    out: Path = Path("dream.png"),
    video: Path | None = None,
    frames: int = 60,
    weights: str | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """DeepDream: what a layer sees in a picture, or in noise, drawn into it.

    Args:
        image: the picture; noise when left out.
        model: as for `rlvis explain`.
        what: a layer, or a unit as layer:17; the last spatial layer when left out.
        guide: a picture whose features in the layer are looked for.
        octaves: sizes at which it is dreamt.
        scale: between two octaves.
        iterations: steps at each octave.
        step: mean change by a step, of 255.
        jitter: shift at each step, in pixels.
        size: height and width of the noise.
        seed: of noise and jitter.
        out: the picture to write.
        video: write a film that goes deeper and deeper instead (.mp4 or .gif).
        frames: of the film.
        weights: as for `rlvis explain`.
        device: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    from PIL import Image

    from rlvis.display.sheet import save_picture
    from rlvis.features.synthesis import dream as dreams
    from rlvis.layers import last_spatial_layer

    inspected = load_model(model, weights, device, trust)
    if what is None:
        what = inspected.layer or last_spatial_layer(inspected, _blank_input(inspected), {})
    settings = dreams.DreamSettings(octaves, scale, iterations, step, jitter)
    with progress("frame" if video else "step") as (start, advance):

        def on_step(done: int, wanted: int) -> None:
            start(wanted, f"dreaming of {what}")
            advance(to=done)

        options: dict[str, Any] = {"size": size, "settings": settings, "seed": seed}
        if video is not None:
            print(
                dreams.dream_film(
                    inspected, what, video, image, frames=frames, on_step=on_step, **options
                )
            )
            return
        picture = dreams.dream(
            inspected, what, image, guide_image=guide, on_step=on_step, **options
        )
    print(save_picture(Image.fromarray(picture), out))


def attack(
    images: Positional[tuple[Path, ...]] = (),
    /,
    model: str = "efficientnet-lite0",
    method: Literal["fgsm", "pgd"] = "pgd",
    norm: Literal["linf", "l2"] = "linf",
    size: float | None = None,
    target: str | None = None,
    steps: int = 20,
    seed: int = 0,
    attribution: str | None = None,
    env: str | None = None,
    episodes: int = 50,
    out: Path = Path("attack.png"),
    data: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """Small changes of pictures that turn the decision; for a policy, what they do to its success.

    Args:
        images: pictures. Without any, a policy is evaluated with every frame attacked.
        model: as for `rlvis explain`.
        method: FGSM takes one step, PGD many.
        norm: how the change is measured: its largest value, or its length.
        size: the change allowed, of 1 from black to white; the smallest that turns the decision is
            looked for when left out (for a policy 4/255).
        target: a label to be decided for; any other than now when left out.
        steps: of PGD.
        seed: of PGD's start, where a size is given.
        attribution: method shown before and after, grad-cam when left out.
        env: of a policy, a Gymnasium id; the one it was trained in when left out.
        episodes: of a policy, how many to play with and without attack.
        out: the picture to write.
        data: also write images and scores (.npz or .safetensors).
        weights: as for `rlvis explain`.
        device: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    from rlvis.features.attack import AttackedPolicy, smallest_attack
    from rlvis.features.attack import attack as attack_images
    from rlvis.features.attack_figure import save_attack, save_attack_data
    from rlvis.policy import Policy

    options: dict[str, Any] = {"norm": norm, "target": target, "steps": steps}
    if not images:
        if not Path(model).exists() and model not in agents_package().shipped_policies():
            raise InputError("no picture given; name at least one file, or a policy as --model")
        policy: Policy = load_policy(model, trust, device)
        allowed = 4 / 255 if size is None else size
        attacked = AttackedPolicy(policy, allowed, method=method, seed=seed, **options)
        for each in (policy, attacked):
            played = agents_package().evaluate(each, env or home_of(policy), episodes)
            print(f"{each.name}: {played}")
        return
    inspected = load_model(model, weights, device, trust)
    if data is not None and len(images) > 1:
        raise InputError("--data takes one picture; name one, or leave it out")
    found = [
        smallest_attack(inspected, path, method, **options)
        if size is None
        else attack_images(inspected, path, method, size=size, seed=seed, **options)
        for path in images
    ]
    print(save_attack(inspected, found, out, attribution))
    if data is not None:
        print(save_attack_data(found[0], data))


def _blank_input(model: "ImageModel") -> Any:
    import torch

    from rlvis.features.pixels import input_shape

    return model.inputs(torch.zeros(1, *input_shape(model), dtype=torch.uint8))
