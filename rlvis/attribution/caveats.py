"""What is to be known of a method's maps of a network, whatever the image.

Methods that give each channel one weight assume that scores are pooled from the layer: that a
channel counts alike wherever it is active. Where a head flattens the map instead it does not.
"""

from collections.abc import Mapping

from torch import Tensor

from rlvis.attribution.pooled_head import evenly_read
from rlvis.attribution.registry import Method
from rlvis.instrument.network_trace import trace_of
from rlvis.models.image_model import ImageModel

UNEVEN = "one weight a channel, though places count differently"


def caveat(
    method: Method,
    model: ImageModel,
    inputs: Tensor,
    context: Mapping[str, Tensor],
    layer: str | None,
) -> str:
    """What is to be known of a method's maps of a layer, "" where that is nothing.

    Args:
        method: the method.
        model: the model; it is left as it is.
        inputs: float (N, C, H, W), of which the first is taken.
        context: of these inputs.
        layer: that the method reads.
    """
    if not method.one_weight or layer is None:
        return ""
    even = evenly_read(model, inputs, context, trace_of(model, inputs, context))
    return "" if even.get(layer, True) else UNEVEN
