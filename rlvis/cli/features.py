"""`rlvis features …`: what a network has learned."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from rlvis.cli.loading import agents_package, home_of, load_model, load_policy
from rlvis.cli.progress import progress
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.features.image_set import ImageSet
    from rlvis.model import ImageModel

Layers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="layer", aliases=["-l"])]
Units = Annotated[UseAppendAction[tuple[int, ...]], arg(name="unit", aliases=["-u"])]


def filters(
    model: str = "efficientnet-lite0",
    layer: str | None = None,
    image: Path | None = None,
    kernel: str | None = None,
    out: Path = Path("filters.png"),
    data: Path | None = None,
    weights: str | None = None,
    trust: bool = False,
) -> None:
    """The kernels of a layer; with an image what a kernel does to it, or all activation maps.

    Args:
        model: as for `rlvis explain`.
        layer: a convolution, the first one when left out.
        image: a picture.
        kernel: apply this one to the image: blur, edge, sharpen, or a learned one as layer:unit.
        out: the picture to write.
        data: also write the numbers (.npz or .safetensors).
        weights: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    import numpy as np

    from rlvis.features.filters import filters as filters_of
    from rlvis.features.kernels import apply_kernel
    from rlvis.features.maps import activation_maps
    from rlvis.images import load_image

    if kernel is not None and image is None:
        raise InputError("a kernel needs a picture to be applied to; name one with --image")
    if image is not None and kernel is None and layer is None:
        raise InputError("name what to show of the picture: a --layer or a --kernel")
    inspected = load_model(model, weights, "cpu", trust)
    found: Any
    if image is None:
        found = filters_of(inspected, layer)
    elif kernel is not None:
        found = apply_kernel(np.asarray(load_image(image)), kernel, inspected)
    else:
        found = activation_maps(inspected, image, str(layer))
    print(found.save(out))
    if data is not None:
        print(found.save_data(data))


def embed(
    images: Positional[str],
    /,
    model: str = "efficientnet-lite0",
    layer: str | None = None,
    method: Literal["tsne", "pca"] = "tsne",
    perplexity: float = 30,
    pool: Literal["mean", "max", "flatten"] = "mean",
    colour: str | None = None,
    seed: int = 0,
    out: Path = Path("embedding.png"),
    grid: Path | None = None,
    data: Path | None = None,
    state: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """The codes of images in a layer, laid out in the plane.

    Args:
        images: a folder of pictures, a recording, an array (.npy, .npz), or mnist.
        model: as for `rlvis explain`.
        layer: whose codes; what the scores are made from when left out.
        method: t-SNE or principal components.
        perplexity: of t-SNE: how many neighbours each image has.
        pool: how maps become codes.
        colour: label, action, or anything the recording knows, such as value or cube_in_view.
        seed: of t-SNE.
        out: the picture of the points.
        grid: also write the images themselves at their places.
        data: also write points and codes (.npz or .safetensors).
        state: a file (.npz) in which t-SNE keeps its progress if it is stopped; it goes on there.
        weights: as for `rlvis explain`.
        device: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    from rlvis.display.sheet import save_picture
    from rlvis.features.codes import codes
    from rlvis.features.embed import embed as embed_codes
    from rlvis.features.embed_figure import colouring, image_grid, scatter

    inspected = load_model(model, weights, device, trust)
    opened = _images(images)
    with progress("batch") as (start, advance):
        start(-(-len(opened) // 64), "codes")
        found = codes(inspected, opened, layer, pool=pool, on_batch=advance)
    _tell_skipped(found.skipped, len(opened))
    done = 0
    with progress("iteration") as (start, advance):

        def step(now: int, wanted: int) -> None:
            nonlocal done
            if not done:
                start(wanted, "t-SNE")
            for _ in range(now - done):
                advance()
            done = now

        placed = embed_codes(
            found, method, perplexity=perplexity, seed=seed, state=state, on_step=step
        )
    colouring(placed, opened, colour)
    print(save_picture(scatter(placed, opened, colour), out))
    if grid is not None:
        print(save_picture(image_grid(placed, opened, colour), grid))
    if data is not None:
        print(placed.save_data(data))


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
            made.append(
                make(
                    inspected,
                    objective,
                    count=count,
                    size=size,
                    steps=steps,
                    parametrization=parametrization,
                    robust=robust,
                    diverse=diverse,
                    seed=seed,
                    on_step=lambda _, advance=advance: advance(),
                )
            )
    real = [strongest(inspected, _images(images), each) for each in objectives] if images else []
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
    done = 0
    with progress("frame" if video else "step") as (start, advance):

        def on_step(now: int, wanted: int) -> None:
            nonlocal done
            if not done:
                start(wanted, f"dreaming of {what}")
            done = now
            advance()

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


def project(
    image: Positional[Path],
    /,
    model: str = "efficientnet-lite0",
    layers: Layers = (),
    units: Units = (),
    rule: Literal["deconvnet", "guided", "plain"] = "deconvnet",
    out: Path = Path("projection.png"),
    data: Path | None = None,
    weights: str | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> None:
    """Units' strongest activations of a picture back to its pixels, layer after layer.

    Args:
        image: the picture.
        model: as for `rlvis explain`.
        layers: a layer, the last spatial one when left out; repeat for several.
        units: a unit of each layer, the nine most active when left out; repeat for several.
        rule: how the way back crosses ReLUs: deconvnet, guided backpropagation, plain gradient.
        out: the picture to write.
        data: also write the projections (.npz or .safetensors), of one layer.
        weights: as for `rlvis explain`.
        device: as for `rlvis explain`.
        trust: as for `rlvis explain`.
    """
    from rlvis.display.sheet import save_picture
    from rlvis.features.project import projection_sheet
    from rlvis.layers import resolve_layer

    if data is not None and len(layers) > 1:
        raise InputError("--data takes one layer; name one, or leave it out")
    inspected = load_model(model, weights, device, trust)
    named = layers or (resolve_layer(inspected, inspected.inputs(image), None, {}),)
    picture, found = projection_sheet(inspected, image, named, rule, units or None)
    print(save_picture(picture, out))
    if data is not None:
        print(found[0].save_data(data))


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
        seed: of PGD's start.
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

    options: dict[str, Any] = {"norm": norm, "target": target, "steps": steps, "seed": seed}
    if not images:
        if not Path(model).exists() and model not in agents_package().shipped_policies():
            raise InputError("no picture given; name at least one file, or a policy as --model")
        policy: Policy = load_policy(model, trust, device)
        allowed = 4 / 255 if size is None else size
        attacked = AttackedPolicy(policy, allowed, method=method, **options)
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
        else attack_images(inspected, path, method, size=size, **options)
        for path in images
    ]
    print(save_attack(inspected, found, out, attribution))
    if data is not None:
        print(save_attack_data(found[0], data))


def _images(path: str) -> "ImageSet":
    from rlvis.features.image_set import open_images

    return open_images(path)


def _tell_skipped(skipped: dict[int, str], count: int) -> None:
    import sys

    if skipped:
        print(f"rlvis: {len(skipped)} of {count} images could not be read:", file=sys.stderr)
        for error in skipped.values():
            print(f"rlvis:   {error}", file=sys.stderr)


def _blank_input(model: "ImageModel") -> Any:
    import torch

    from rlvis.features.pixels import input_shape

    return model.inputs(torch.zeros(1, *input_shape(model), dtype=torch.uint8))


FEATURES: dict[str, Callable[..., None]] = {
    "filters": filters,
    "embed": embed,
    "synthesize": synthesize,
    "dream": dream,
    "project": project,
    "attack": attack,
}
