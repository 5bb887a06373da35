"""Models, policies and images as the command line names them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.cli.progress import progress
from rlvis.errors import InputError
from rlvis.zoo.source import ModelSource, refuse_unused

if TYPE_CHECKING:
    from rlvis.features.image_sets.image_set import ImageSet
    from rlvis.models.image_model import ImageModel
    from rlvis.models.policy import Policy


@dataclass(frozen=True)
class Network(ModelSource):
    __doc__ = ModelSource.__doc__

    def load(self) -> "ImageModel":
        """See `rlvis.load_model`."""
        from rlvis.zoo.loading import load_model

        return load_model(self)

    def load_policy(self) -> "Policy":
        """A policy that is given observations as they are."""
        from rlvis.zoo.loading import load_playing_policy

        return load_playing_policy(self)


USUAL = Network()


def agents_package() -> Any:
    try:
        import rlvis_agents
    except ModuleNotFoundError as error:
        raise InputError(
            f"policies need {error.name}; install it with: pip install 'rlvis[agents]'"
        ) from None
    return rlvis_agents


def load_policy(
    name: str,
    trust: bool,
    device: str = "cpu",
    image_key: str | None = None,
    vec_normalize: Path | None = None,
) -> "Policy":
    source = Network(
        name, device=device, trust=trust, image_key=image_key, vec_normalize=vec_normalize
    )
    return source.load_policy()


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
    """See `rlvis.zoo.label_names.read_labels`; None for none."""
    from rlvis.zoo.label_names import read_labels as read_names

    return None if written is None else list(read_names(written))


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
