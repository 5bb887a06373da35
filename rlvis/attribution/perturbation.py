"""Change the image and watch the target: no gradient is asked for."""

import torch
from torch import Tensor

from rlvis.attribution.registry import method
from rlvis.errors import InputError
from rlvis.evidence import Evidence

_CHUNK_VALUES = 2**24


@method("occlusion", reference="Zeiler & Fergus 2014, section 4.2", signed=True)
def occlusion(
    evidence: Evidence,
    patch: int | None = None,
    stride: int | None = None,
    baseline: float | str = "mean",
) -> Tensor:
    """Heatmaps (N, T, H, W): how far the target falls when a patch is covered.

    A pixel's value is the mean fall over the patches that cover it. The last patch of a row ends at
    the border, so every pixel is covered.

    Args:
        patch: side of the square patch in input pixels; an eighth of the longer side if left out.
        stride: distance between patches in input pixels; half a patch if left out.
        baseline: what covers: a number in the network's input units, or "mean" for each image's
            own mean colour.

    Raises:
        InputError: if the patch does not fit into the image or an option has no meaning.
    """
    height, width = evidence.inputs.shape[-2:]
    patch = max(height, width) // 8 if patch is None else patch
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= patch <= min(height, width) or stride < 1:
        raise InputError(
            f"occlusion with patch {patch} and stride {stride} does not fit the {width}×{height} "
            f"input; take a patch of 1 to {min(height, width)} and a stride of at least 1"
        )
    rows, columns = _windows(height, patch, stride), _windows(width, patch, stride)
    rows, columns = rows.to(evidence.inputs), columns.to(evidence.inputs)
    fall = _fall(evidence, rows, columns, _cover(evidence.inputs.detach(), baseline))
    total = torch.einsum("ntrc,rh,cw->nthw", fall, rows, columns)
    return total / torch.outer(rows.sum(dim=0), columns.sum(dim=0))


def _windows(length: int, patch: int, stride: int) -> Tensor:
    """Which of `length` pixels each patch along one side covers, 0/1 (patches, length)."""
    starts = [*range(0, length - patch, stride), length - patch]
    pixels = torch.arange(length)
    return torch.stack([(pixels >= start) & (pixels < start + patch) for start in starts])


def _cover(inputs: Tensor, baseline: float | str) -> Tensor:
    """What covers the patches, broadcastable to (N, C, H, W)."""
    if baseline == "mean":
        return inputs.mean(dim=(-2, -1), keepdim=True)
    if isinstance(baseline, str):
        raise InputError(f"no baseline {baseline!r}; give a number or 'mean'")
    return torch.full_like(inputs[:, :, :1, :1], baseline)


def _fall(evidence: Evidence, rows: Tensor, columns: Tensor, cover: Tensor) -> Tensor:
    """The fall of each target for each patch, (N, T, patches down, patches across)."""
    masks = torch.einsum("rh,cw->rchw", rows, columns).flatten(0, 1)[:, None].bool()
    chunk = max(1, _CHUNK_VALUES // (evidence.inputs[0].numel() * 8))
    falls = []
    for index, (image, base) in enumerate(zip(evidence.inputs.detach(), cover, strict=True)):
        covered = [
            evidence.rescore(torch.where(part, base, image), index) for part in masks.split(chunk)
        ]
        falls.append((evidence.target_scores[index] - torch.cat(covered)).T)
    return torch.stack(falls).unflatten(-1, (len(rows), len(columns)))
