"""The gradient of a strided convolution at an image, as a sub-pixel convolution.

The first convolution of a network takes few channels and large steps, and its gradient at the image
is the most expensive part of a backward pass on a CPU: libraries scatter each output over the
pixels it came from. Every stride-th pixel is reached by the same kernel weights, so all of them
together are an ordinary convolution of the output's gradient with stride² channels per image
channel, rearranged (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional
layer?"). The result is the same up to rounding, 3 to 10 times faster.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlvis.models.kept_gradients import is_checkpointed

MOST_CHANNELS = 4


def use_subpixel_gradients(module: nn.Module) -> None:
    """Give the strided convolutions of images in `module` this gradient, at the image only.

    It changes these submodules: give it a replica. Weights and bias get no gradient: nobody who
    explains an image asks for it. Convolutions that are not an `nn.Conv2d`'s own stay as they are.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and _suitable(part):
            convolve = partial(_convolve, stride=part.stride[0], padding=part.padding)
            vars(part)["_conv_forward"] = convolve


def _suitable(convolution: nn.Conv2d) -> bool:
    step = convolution.stride[0]
    return (
        convolution.in_channels <= MOST_CHANNELS
        and step > 1
        and convolution.stride == (step, step)
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
        and type(convolution)._conv_forward is nn.Conv2d._conv_forward
    )


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Any) -> Tensor:
    if x.ndim == 4 and x.requires_grad and not _stands_aside():
        return _ImageConvolution.apply(x, weight, bias, stride, padding)
    return torch.conv2d(x, weight, bias, stride, padding)


def _stands_aside() -> bool:
    """Whether this runs where a custom function cannot be: see `kept_gradients`, `torch.func`."""
    transformed: bool = torch._C._are_functorch_transforms_active()
    return transformed or torch.is_inference_mode_enabled() or is_checkpointed()


class _ImageConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Any
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.size, ctx.stride, ctx.padding, ctx.dtype = x.shape[-2:], stride, padding, x.dtype
        return torch.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (weight,) = ctx.saved_tensors
        weight = weight.to(gradient.dtype)  # under autocast it was cast for the pass
        image = input_gradient(gradient, weight, ctx.size, ctx.stride, ctx.padding)
        return image.to(ctx.dtype), None, None, None, None


def input_gradient(
    gradient: Tensor, weight: Tensor, size: Sequence[int], stride: int, padding: Sequence[int]
) -> Tensor:
    """The gradient at the input (N, C, H, W) of a strided convolution.

    Args:
        gradient: at the output, (N, K, h, w).
        weight: (K, C, kh, kw).
        size: (H, W) of the input.
        stride: the same in both directions.
        padding: zeros (rows, columns) around the input.
    """
    count, channels = weight.shape[:2]
    rows, columns = (-(-side // stride) for side in weight.shape[-2:])
    missing = (0, columns * stride - weight.shape[3], 0, rows * stride - weight.shape[2])
    phases = F.pad(weight, missing).view(count, channels, rows, stride, columns, stride)
    kernel = phases.permute(3, 5, 1, 0, 2, 4).flip(-2, -1).reshape(-1, count, rows, columns)
    blocks = torch.conv2d(gradient, kernel, padding=(rows - 1, columns - 1)).movedim(1, -1)
    lines = blocks.unflatten(-1, (stride, stride * channels)).transpose(2, 3)
    padded = lines.reshape(len(lines), -1, blocks.shape[2] * stride, channels).movedim(-1, 1)
    (top, left), (height, width) = padding, size
    image = padded[..., top : top + height, left : left + width]
    unread = (0, width - image.shape[3], 0, height - image.shape[2])
    return F.pad(image, unread) if any(unread) else image
