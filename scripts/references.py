"""What the libraries compared with need before they can be imported."""

import torch


def mend_torchvision() -> None:
    """Make torchvision importable beside a CPU build of torch.

    The package index's torchvision was built for CUDA. Declaring the two compiled operators it
    looks for is enough for everything but detection models.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        global _library
        _library = torch.library.Library("torchvision", "DEF")
        _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


_library: torch.library.Library | None = None
