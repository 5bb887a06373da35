"""References that several tests are held against, written out by hand or taken from a library."""

import numpy as np
import pytorch_grad_cam
import torch

GRAD_CAMS = [
    ("grad-cam", pytorch_grad_cam.GradCAM),
    ("grad-cam++", pytorch_grad_cam.GradCAMPlusPlus),
    ("hires-cam", pytorch_grad_cam.HiResCAM),
    ("layer-cam", pytorch_grad_cam.LayerCAM),
]
"""Methods and their classes in pytorch-grad-cam."""


def drawn(heat: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: tuple) -> np.ndarray:
    """A map (h, w) over an input of that size, its cells at these pixels, by interpolation.

    Beyond the outermost cells it stays for half a step and is gone after another half.
    """
    for middles, length in ((rows, size[0]), (columns, size[1])):
        half = (middles[1] - middles[0]) / 2
        ends = (
            [middles[0] - 2 * half, middles[0] - half],
            [middles[-1] + half, middles[-1] + 2 * half],
        )
        at = np.concatenate([ends[0], middles, ends[1]])
        lines = np.concatenate([0 * heat[:1], heat[:1], heat, heat[-1:], 0 * heat[:1]])
        pixels = np.arange(length)
        heat = np.stack([np.interp(pixels, at, line) for line in lines.T])
    return heat


def relu_by_hand(rule: str) -> type[torch.autograd.Function]:
    """A ReLU with its backward pass by a rectifier rule written out."""

    class Rule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return {"guided": g.relu() * (x > 0), "deconvnet": g.relu(), "plain": g * (x > 0)}[rule]

    return Rule
