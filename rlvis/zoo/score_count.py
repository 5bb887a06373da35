"""An `ImageModel` of a module that does not say how many scores it gives: it is asked, once."""

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rlvis.errors import InputError, Notice
from rlvis.images.preprocess import Preprocess
from rlvis.models.image_model import ImageModel
from rlvis.models.pixels import channels_read
from rlvis.models.replica import forward_pass, replicate
from rlvis.models.scores import find_scores
from rlvis.models.shape_errors import as_input_error

_USUAL_SIZE = 224, 224


def named_scores(
    module: nn.Module,
    labels: Sequence[str] | None,
    preprocess: Callable[[Tensor], Tensor],
    name: str,
) -> ImageModel:
    """The model of a module, its scores numbered from 0 (with a `Notice`) where nobody names them.

    Raises:
        InputError: as for `ImageModel`, or if it must be asked and cannot answer.
    """
    if labels is None:
        count = count_scores(module, preprocess, name)
        labels = list(map(str, range(count)))
        unnamed = f"{count} scores of {name} have no names and are numbered from 0; name them"
        if count == 1:
            unnamed = f"score of {name} has no name and is called 0; name it"
        warnings.warn(
            f"the {unnamed} with --labels, labels=… in Python",
            Notice,
            stacklevel=2,
        )
    return ImageModel(module, labels, preprocess, name=name)


def count_scores(module: nn.Module, preprocess: Callable[[Tensor], Tensor], name: str) -> int:
    """How many scores a module gives for an image, seen by giving it a black one.

    Raises:
        InputError: if it takes no image of the size that its preprocessing makes, or of 224×224
            pixels where it makes none.
    """
    size = (isinstance(preprocess, Preprocess) and preprocess.size) or _USUAL_SIZE
    channels = 3 if not isinstance(preprocess, Preprocess) else channels_read(module)
    weight = next((each for each in module.parameters() if each.is_floating_point()), None)
    inputs = preprocess(torch.zeros(1, channels, *size, dtype=torch.uint8))
    if weight is not None:
        inputs = inputs.to(weight)
    replica = replicate(module)
    with (
        torch.no_grad(),
        as_input_error(name, module, preprocess, inputs),
        forward_pass(replica, inputs),
    ):
        try:
            output = replica(inputs)
        except TypeError as error:
            if "forward() missing" not in str(error):
                raise
            raise InputError(
                f"{name} does not take an image alone ({error}); make an rlvis.ImageModel of it"
            ) from error
    return find_scores(output, 1)[0].shape[1]
