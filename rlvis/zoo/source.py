"""The source of a model, one idea for every command and for Python: a name, a file, or code."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvis.errors import InputError

if TYPE_CHECKING:
    Labels = str | Path | Sequence[str] | None
    Preprocessing = str | Callable[[Any], Any] | None
    Size = str | int | Sequence[int] | None
    Weights = str | Path | None
    Source = Any
else:  # what of these the command line can write
    Labels = Preprocessing = Size = Weights = str | None
    Source = str


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from, and what it does not say of itself.

    Attributes:
        model: efficientnet-lite0, digits, a torchvision model such as resnet18, one of timm such as
            timm/vit_tiny_patch16_224; code of yours as package.module:name (a function, class,
            module, ImageModel or Policy); a file (state_dict with --arch, TorchScript,
            torch.export); or a policy: a shipped name, the file of an agent or the folder of a run.
        arch: the network that a file of weights belongs to: a name as above, or code of yours.
        weights: a file with a state_dict, or random; the published weights when left out.
        labels: the names of the scores: a,b,c or a file (a name in each line, or JSON); those known
            (a config's id2label) when left out, else numbers.
        scores: what the scores are: logits, log-probabilities, probabilities (they sum to 1),
            independent-logits and independent-probabilities (labels that do not exclude each other,
            or one alone), q-values, or numbers (a regression's); found out when left out.
        preprocess: how pictures reach the network: imagenet (resize, crop the middle, normalise by
            ImageNet's mean and deviation), unit (in 0..1), levels (in 0..255), or
            package.module:function; as the network is known to need it when left out, else unit.
        input_size: the size of the network's input, N or height,width.
        grey: give the network the luminance of colours alone.
        device: where to compute, for example cuda; where the weights lie when left out (cpu).
        trust: allow a file to run code: an agent's zip when it is loaded, TorchScript and exported
            programs.
        image_key: of an agent's zip, the entry of its Dict observations that is the image, the only
            one when left out.
        vec_normalize: of an agent's zip, the file that VecNormalize.save wrote, where it was
            trained on normalised observations.
    """

    model: Source = "efficientnet-lite0"
    arch: str | None = None
    weights: Weights = None
    labels: Labels = None
    scores: str | None = None
    preprocess: Preprocessing = None
    input_size: Size = None
    grey: bool = False
    device: str | None = None
    trust: bool = False
    image_key: str | None = None
    vec_normalize: Path | None = None

    @property
    def shown(self) -> str:
        """What errors call it."""
        return str(self.model) if isinstance(self.model, (str, os.PathLike)) else "this"

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by attribute, as JSON holds it; {} where the model is an object.

        Whether code may run is for each user to say, and where to compute for each machine.
        """
        said = {
            field.name: str(value) if isinstance(value, os.PathLike) else value
            for field in fields(ModelSource)
            if (value := getattr(self, field.name)) != field.default or field.name == "model"
        }
        plain = all(isinstance(value, (str, bool, int)) for value in said.values())
        return {name: said[name] for name in said.keys() - {"trust", "device"} if plain}


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
