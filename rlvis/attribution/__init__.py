"""Why this output for this image? Each method is the line from its paper, on shared evidence.

May import: instrument, models, display, images, and what everything may use.
"""

from rlvis.attribution import cam, gradient, perturbation, transformer
from rlvis.attribution.engine import explain, explain_each
from rlvis.attribution.registry import METHODS, Method, get_method, method

__all__ = [
    "METHODS",
    "Method",
    "cam",
    "explain",
    "explain_each",
    "get_method",
    "gradient",
    "method",
    "perturbation",
    "transformer",
]
