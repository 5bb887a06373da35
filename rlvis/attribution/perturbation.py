"""Change the image and watch the scores: no gradient is asked for."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from rlvis.attribution.changed_images import Answers
from rlvis.attribution.evidence import Evidence
from rlvis.attribution.registry import method
from rlvis.errors import InputError
from rlvis.models.score_kinds import log_shares, require_choice


@method(
    "occlusion",
    reference="Zeiler & Fergus 2014, section 4.2",
    signed=True,
    unit="fall of the {score}",
)
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
        evidence: of the images and targets.
        patch: side of the square patch in input pixels; an eighth of the longer side if left
            out, but 1 at least and the shorter side at most.
        stride: distance between patches in input pixels; half a patch if left out.
        baseline: what covers: a number in the network's input units, "mean" for each image's own
            mean colour, "blur" for the image blurred by half a patch.

    Raises:
        InputError: if the patch does not fit into the image or an option has no meaning.
    """
    height, width = evidence.inputs.shape[-2:]
    usual = min(max(1, max(height, width) // 8), height, width)
    patch = usual if patch is None else patch
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= patch <= min(height, width) or stride < 1:
        raise InputError(
            f"occlusion with patch {patch} and stride {stride} does not fit the {width}×{height} "
            f"input; take a patch of 1 to {min(height, width)} and a stride of at least 1"
        )
    rows = _windows(height, patch, stride).to(evidence.inputs)
    columns = _windows(width, patch, stride).to(evidence.inputs)
    masks = torch.einsum("rh,cw->rchw", rows, columns).flatten(0, 1)
    covers = _cover(evidence.inputs.detach(), baseline, patch)
    fall = _under(evidence, masks, covers, _fall).unflatten(-1, (len(rows), len(columns)))
    total = torch.einsum("ntrc,rh,cw->nthw", fall, rows, columns)
    return total / torch.outer(rows.sum(dim=0), columns.sum(dim=0))


@method(
    "perturbation", reference="Greydanus et al. 2018, eq. 1-3", unit="½ (change of the scores)²"
)
def blurred_spots(evidence: Evidence, radius: float = 5.0, stride: int = 5) -> Tensor:
    """Heatmaps (N, T, H, W): how far blurring a spot moves the policy, or the critic.

    A spot of the image I fades into its surroundings: Φ = I ⊙ (1 - M) + blur(I) ⊙ M with a blur of
    σ = 3 and M a disc blurred by σ = radius. For a target on the critic's value the map is
    ½ (V - V′)², for any other ½ ‖π - π′‖² over all scores, whichever of them is the target.

    Args:
        evidence: of the images and targets.
        radius: of the disc and its blur, in input pixels.
        stride: distance between spots in input pixels.
    """
    critic = (
        (evidence.score_jacobian["value"] != 0).any(-1)
        if "value" in evidence.score_jacobian
        else None
    )

    def moved(answers: Answers) -> Tensor:
        before, after = answers.before, answers.after
        change = after.logits - before.logits  # between masked scores there is none
        actor = 0.5 * change.nan_to_num(nan=0).square().sum(dim=1, keepdim=True)
        if critic is None or before.value is None or after.value is None:
            return actor.expand_as(answers.new)
        own = 0.5 * (after.value - before.value).square()[:, None]
        return torch.where(critic[answers.images], own, actor)

    return _spotwise(evidence, radius, stride, moved)


@method("sarfa", reference="Puri et al. 2020, eq. 2-5", unit="share")
def sarfa(evidence: Evidence, radius: float = 5.0, stride: int = 5) -> Tensor:
    """Heatmaps (N, T, H, W): blurred spots that lower this very action, not the others.

    Spots as in `perturbation`. With Δp the fall of the action's probability and K = 1 / (1 + KL)
    how little the distribution over the others changes, S = 2 K Δp / (K + Δp) where Δp > 0. Of
    Q-values the probabilities are the softmax, as in the paper.

    Args:
        evidence: of the images and targets.
        radius: of the disc and its blur, in input pixels.
        stride: distance between spots in input pixels.

    Raises:
        InputError: if a target is not the score of a label, or the labels are not one choice.
    """
    require_choice(evidence.scores.kind, "sarfa")
    score_jacobian = evidence.score_jacobian["logits"]
    single = ((score_jacobian != 0).sum(dim=-1) == 1) & (score_jacobian.sum(dim=-1) == 1)
    if not bool(single.all()):
        raise InputError("sarfa explains one label at a time; choose labels as targets")
    action = score_jacobian.abs().argmax(dim=-1)

    def specific(answers: Answers) -> Tensor:
        before, after = answers.before, answers.after
        log_p, log_p_after = (log_shares(each.kind, each.logits) for each in (before, after))
        lost = log_p.exp() - log_p_after.exp()
        columns = []
        for index in action[answers.images].split(1, dim=1):
            fall = lost.gather(1, index)[:, 0]
            rest, rest_after = _without(log_p, index), _without(log_p_after, index)
            shares = rest_after.exp()
            divergence = torch.where(shares > 0, shares * (rest_after - rest), 0).sum(dim=1)
            kept = 1 / (1 + divergence)
            columns.append(torch.where(fall > 0, 2 * kept * fall / (kept + fall), 0))
        return torch.stack(columns, dim=1)

    return _spotwise(evidence, radius, stride, specific)


@method("rise", reference="Petsiuk et al. 2018, eq. 6", signed=True, unit="mean {score}")
def rise(
    evidence: Evidence, masks: int = 500, cells: int = 7, keep: float = 0.5, seed: int = 0
) -> Tensor:
    """Heatmaps (N, T, H, W): the mean score of random maskings, by the pixels they leave visible.

    It is a mean of scores, negative where they are: what tells is where it is high and where low.

    Args:
        evidence: of the images and targets.
        masks: how many.
        cells: the masks' coarse grid has this many cells along each side, smoothly enlarged.
        keep: the share of cells left visible.
        seed: of the masks.

    Raises:
        InputError: if an option has no meaning.
    """
    if masks < 1 or cells < 1 or not 0 < keep < 1:
        raise InputError(
            f"rise with masks={masks}, cells={cells}, keep={keep} computes nothing; "
            "take at least one mask and cell, and keep between 0 and 1"
        )
    visible = _random_masks(masks, cells, keep, seed, evidence.inputs)
    nothing = torch.zeros_like(evidence.inputs.detach())
    scores = _under(evidence, 1 - visible, nothing, lambda answers: answers.new)
    return torch.einsum("ntm,mhw->nthw", scores, visible) / (masks * keep)


def _fall(answers: Answers) -> Tensor:
    return answers.old - answers.new


def _under(
    evidence: Evidence, masks: Tensor, covers: Tensor, read: Callable[[Answers], Tensor]
) -> Tensor:
    """What `read` says of every image under every mask, (N, T, M).

    Args:
        evidence: of the images.
        masks: (M, H, W), 1 where the cover replaces the image.
        covers: broadcastable to (N, C, H, W).
        read: gives (R, T) of answers.
    """
    found = torch.cat([read(answers) for answers in evidence.under(masks, covers)])
    by_image = found.unflatten(0, (-1, len(masks))).mT
    return by_image.to(masks)  # under autocast scores come in half precision


def _spotwise(
    evidence: Evidence, radius: float, stride: int, read: Callable[[Answers], Tensor]
) -> Tensor:
    """What `read` says of blurred spots on a grid, enlarged to the input: (N, T, H, W)."""
    if radius <= 0 or stride < 1:
        raise InputError(
            f"spots of radius {radius} every {stride} pixels cover nothing; "
            "take a positive radius and a stride of at least 1"
        )
    height, width = evidence.inputs.shape[-2:]
    rows, columns = torch.arange(0, height, stride), torch.arange(0, width, stride)
    centres = torch.cartesian_prod(rows, columns)
    masks = _discs(centres, height, width, radius).to(evidence.inputs)
    seen = _under(evidence, masks, blurred(evidence.inputs.detach(), 3.0), read)
    grid = seen.unflatten(-1, (len(rows), len(columns)))
    return F.interpolate(grid, (height, width), mode="bilinear")


def _discs(centres: Tensor, height: int, width: int, radius: float) -> Tensor:
    """Masks (M, H, W): a unit disc at each centre, blurred by σ = radius, its peak 1."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = (y - centres[:, 0, None, None]) ** 2 + (x - centres[:, 1, None, None]) ** 2
    discs = blurred((distance <= radius**2).float()[:, None], radius)[:, 0]
    return discs / discs.amax(dim=(-2, -1), keepdim=True)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images (N, C, H, W) under a Gaussian of that σ in pixels, edges mirrored like SciPy's."""
    height, width = (_blurring(length, sigma).to(images) for length in images.shape[-2:])
    return (height @ images @ width.T).to(images)  # autocast would halve it


def _blurring(length: int, sigma: float) -> Tensor:
    """The matrix (L, L) that blurs a column of pixels: each row weighs the neighbours of one.

    Beyond the edges they are mirrored (d c b a | a b c d | d c b a).
    """
    reach = int(4 * sigma + 0.5)
    away = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (away.double() / sigma) ** 2)
    places = (torch.arange(length)[:, None] + away) % (2 * length)
    mirrored = torch.where(places < length, places, 2 * length - 1 - places)
    weights = (kernel / kernel.sum()).expand(length, -1)
    return torch.zeros(length, length, dtype=kernel.dtype).scatter_add_(1, mirrored, weights)


def _without(log_p: Tensor, index: Tensor) -> Tensor:
    """Log-probabilities (R, K) of all labels but one of each row, index (R, 1); its own is -inf."""
    return log_p.scatter(1, index, -torch.inf).log_softmax(dim=1)


def _random_masks(count: int, cells: int, keep: float, seed: int, inputs: Tensor) -> Tensor:
    """Smooth masks (M, H, W) of visible cells, the grid shifted at random (Petsiuk et al. 3.2)."""
    height, width = inputs.shape[-2:]
    generator = torch.Generator().manual_seed(seed)
    cell_height, cell_width = -(-height // cells), -(-width // cells)
    grid = (torch.rand(count, 1, cells + 1, cells + 1, generator=generator) < keep).float()
    large = F.interpolate(
        grid, ((cells + 1) * cell_height, (cells + 1) * cell_width), mode="bilinear"
    )[:, 0]
    tops = torch.randint(0, cell_height, (count,), generator=generator)
    lefts = torch.randint(0, cell_width, (count,), generator=generator)
    cut = [
        mask[top : top + height, left : left + width]
        for mask, top, left in zip(large, tops.tolist(), lefts.tolist(), strict=True)
    ]
    return torch.stack(cut).to(inputs)


def _windows(length: int, patch: int, stride: int) -> Tensor:
    """Which of `length` pixels each patch along one side covers, 0/1 (patches, length)."""
    starts = [*range(0, length - patch, stride), length - patch]
    pixels = torch.arange(length)
    return torch.stack([(pixels >= start) & (pixels < start + patch) for start in starts])


def _cover(inputs: Tensor, baseline: float | str, patch: int) -> Tensor:
    """What covers the patches, broadcastable to (N, C, H, W)."""
    if baseline == "mean":
        return inputs.mean(dim=(-2, -1), keepdim=True)
    if baseline == "blur":
        return blurred(inputs, patch / 2)
    if isinstance(baseline, str):
        raise InputError(f"no baseline {baseline!r}; give a number, 'mean' or 'blur'")
    return torch.full_like(inputs[:, :, :1, :1], baseline)
