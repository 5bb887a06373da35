"""Models, policies and images as the command line names them."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.cli.progress import progress
from rlvis.errors import InputError

if TYPE_CHECKING:
    from rlvis.features.image_sets.image_set import ImageSet
    from rlvis.models.image_model import ImageModel
    from rlvis.models.policy import Policy


@dataclass(frozen=True)
class Network:
    """The network that a command looks into."""

    model: str = "efficientnet-lite0"
    """efficientnet-lite0, digits, a torchvision model such as resnet18, one of timm such as
    timm/vit_tiny_patch16_224, or a policy: a shipped name or a path."""

    weights: str | None = None
    """A file with a classifier's state_dict, or "random"; the published weights when left out."""

    device: str = "cpu"
    """Where to compute, for example cuda."""

    trust: bool = False
    """Allow a Stable-Baselines3 zip to run code when it is loaded."""

    image_key: str | None = None
    """The entry of a zip's Dict observations that is the image, the only one when left out."""

    vec_normalize: Path | None = None
    """The file that VecNormalize.save wrote, for a zip trained on normalised observations."""

    def load(self) -> "ImageModel":
        """A classifier, or a policy that is given pictures of the size it was trained on."""
        from rlvis.images.preprocess import Preprocess
        from rlvis.zoo.loading import known_classifiers, load_classifier, no_classifier

        policies = shipped_policies()
        if self.model not in policies and not os.path.exists(self.model):
            if self.model not in known_classifiers(self.model):
                raise no_classifier(self.model, policies)
            refuse_unused(
                f"for the classifier {self.model}",
                trust=self.trust,
                image_key=self.image_key,
                vec_normalize=self.vec_normalize,
            )
            return load_classifier(self.model, weights=self.weights, device=self.device)
        refuse_unused(f"for {self.model}, whose weights lie with it", weights=self.weights)
        policy = self.load_policy()
        if isinstance(policy.preprocess, Preprocess) and policy.observation_shape:
            policy.preprocess = replace(policy.preprocess, size=policy.observation_shape[:2])
        return policy

    def load_policy(self) -> "Policy":
        """A policy that is given observations as they are."""
        return load_policy(self.model, self.trust, self.device, self.image_key, self.vec_normalize)


USUAL = Network()


def refuse_unused(where: str, **options: Any) -> None:
    """Refuse options that would do nothing.

    Args:
        where: in which case, as the error says it.
        options: what was given, by name; what is empty, false or None was not.

    Raises:
        InputError: naming the first that was given.
    """
    for name, given in options.items():
        if given:
            raise InputError(f"--{name.replace('_', '-')} does nothing {where}; leave it out")


def agents_package() -> Any:
    try:
        import rlvis_agents
    except ModuleNotFoundError as error:
        raise InputError(
            f"policies need {error.name}; install it with: pip install 'rlvis[agents]'"
        ) from None
    return rlvis_agents


def shipped_policies() -> list[str]:
    try:
        return list(agents_package().shipped_policies())
    except InputError:
        return []


def load_policy(
    name: str,
    trust: bool,
    device: str = "cpu",
    image_key: str | None = None,
    vec_normalize: Path | None = None,
) -> "Policy":
    from rlvis.models.devices import as_device

    if not os.path.isdir(name) and not name.endswith(".zip"):
        where = f"for {name}, which is no agent of Stable-Baselines3"
        refuse_unused(where, trust=trust, image_key=image_key, vec_normalize=vec_normalize)
    policy: Policy = agents_package().load_policy(
        name, trust=trust, image_key=image_key, vec_normalize=vec_normalize
    )
    policy.module.to(as_device(device))
    return policy


def check_outputs(
    out: Path | None, data: Path | None = None, kinds: Mapping[str, str] | None = None
) -> None:
    """Whether what is to be written can be, asked before long work begins.

    Args:
        out: the picture, or what else `kinds` names by their endings.
        data: the numbers.
        kinds: pictures if left out.
    """
    from rlvis.display.page import PICTURES
    from rlvis.files import ARRAYS, check_writable

    if out is not None:
        check_writable(out, kinds or PICTURES)
    if data is not None:
        check_writable(data, ARRAYS)


def unfinished(out: Path, what: str = "unfinished") -> Path:
    """The file beside a picture in which work on it is kept when it is stopped."""
    return out.with_name(f"{out.stem}.{what}.npz")


def open_image_set(path: str, window: str | None = None) -> "ImageSet":
    """The images at a path; see `rlvis.features.image_sets.image_set`.

    Args:
        path: the folder or file.
        window: "low,high", the values that become black and white.
    """
    from rlvis.features.image_sets.image_set import open_images
    from rlvis.images.depth import read_window

    return open_images(path, None if window is None else read_window(window))


def picture_through(path: Path, window: str | None) -> Any:
    """A picture as tools take it: the path, or what is seen of the file through a window.

    Raises:
        InputError: if the window is none, or the picture has 8 bits, of which all are seen.
    """
    from rlvis.images.depth import read_window, windows_used
    from rlvis.images.loading import as_images

    if window is None:
        return path
    with windows_used() as used:
        pixels = as_images(path, read_window(window))
    if not used:
        raise InputError(f"{path} has 8 bits, of which all are seen; leave --window out")
    return pixels


def layer_names(
    model: "ImageModel", images: "ImageSet", layers: Sequence[str], units: Sequence[int] = ()
) -> list[str]:
    """The layers asked for, else the last spatial one; that have these units."""
    from rlvis.features.activations.units import UnitReader, check_unit
    from rlvis.features.image_sets.image_set import BatchReader
    from rlvis.instrument.layers import resolve_layer

    for batch in BatchReader(images, model, 1):
        names = list(dict.fromkeys(layers))
        names = names or [resolve_layer(model, batch.inputs, None, batch.context)]
        counts = UnitReader.of(model, batch.inputs, names, batch.context).counts
        for name, count in counts.items():
            for unit in units:
                check_unit(name, unit, count)
        return names
    raise InputError(f"none of the {len(images)} images of {images.name} can be read")


def tell_skipped(images: "ImageSet", skipped: dict[int, str]) -> None:
    """Say on standard error which images could not be read, if any."""
    from rlvis.features.top_patches.result import skipped_line

    if skipped:
        print(f"rlvis: {skipped_line(images, skipped)}", file=sys.stderr)


@dataclass(frozen=True)
class EnvConfig:
    """An environment as it is made.

    Attributes:
        environment: its Gymnasium id.
        wrappers: put around it, the innermost first.
        options: of its constructor.
    """

    environment: str
    wrappers: tuple[str, ...]
    options: dict[str, Any]


def env_of(
    policy: "Policy", env: str | None, wrappers: Sequence[str], options: Sequence[str]
) -> EnvConfig:
    """The environment asked for, else the one that a policy was trained in, as it was there.

    Raises:
        InputError: if none was named and the policy knows of none.
    """
    home = policy.description.get("environment")
    if not env and not home:
        raise InputError(
            f"{policy.name} does not say which environment it was trained in; name it with --env"
        )
    from rlvis.rollouts.providers import check_provider

    known = policy.description if not env or env == home else {}
    around = known.get("wrappers", ())
    if not env:
        check_provider(str(home), "--env")
    for each in () if wrappers else around:
        check_provider(each, "-w")
    return EnvConfig(
        str(env or home),
        tuple(wrappers or around),
        {**known.get("env_options", {}), **read_options(options)},
    )


def read_labels(written: str | None) -> list[str] | None:
    """Names separated by commas, or the lines of a file; None for none."""
    from rlvis.files import read_regular

    if written is None:
        return None
    if os.path.exists(written):
        try:
            text = read_regular(written, 2**20).decode()
        except UnicodeDecodeError:
            raise InputError(
                f"{written} is no text; give a file with a name in each line"
            ) from None
        return [line.strip() for line in text.splitlines() if line.strip()]
    return [each.strip() for each in written.split(",")]


def read_options(written: Sequence[str]) -> dict[str, Any]:
    from rlvis.options import parse_options

    return parse_options(written)


def refuse_greed(policy: "Policy", deterministic: bool) -> None:
    """Refuse --deterministic for a policy that draws nothing."""
    from rlvis.models.distributions import Greedy

    if isinstance(policy.distribution, Greedy):
        where = f"for {policy.name}, which always takes the action of the highest score"
        refuse_unused(where, deterministic=deterministic)


def draw_film(recording: Any, path: Path, fps: float, scale: str, **choice: Any) -> None:
    from rlvis.options import parse_value

    chosen = {name: list(value) for name, value in choice.items() if value}
    with progress("frame") as (start, advance):
        start(recording.steps(chosen.get("episodes")), f"drawing {path}")
        recording.to_video(path, fps=fps, scale=parse_value(scale), on_frame=advance, **chosen)
    print(path)


def layer_path(out: Path, layer: str, layers: Sequence[str]) -> Path:
    return out if len(layers) == 1 else out.with_name(f"{out.stem}-{layer}{out.suffix}")
