"""Gradients of the target at the image, by one rectifier rule or another."""

from torch import Tensor

from rlvis.attribution.registry import method
from rlvis.evidence import Evidence, Need


@method("saliency", reference="Simonyan et al. 2014, section 3.1", needs=[Need("input")])
def saliency(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): the largest absolute gradient over the colour channels."""
    return evidence.input_gradients().abs().amax(dim=2)


@method(
    "guided-backprop",
    reference="Springenberg et al. 2015, section 3.4",
    needs=[Need("input", "guided")],
)
def guided_backpropagation(evidence: Evidence) -> Tensor:
    """Heatmaps (N, T, H, W): as saliency, gradients crossing each ReLU only where positive."""
    return evidence.input_gradients("guided").abs().amax(dim=2)
