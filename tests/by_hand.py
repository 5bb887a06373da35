"""References that several tests are held against, written out by hand or taken from a library."""

import pytorch_grad_cam
import torch

GRAD_CAMS = [
    ("grad-cam", pytorch_grad_cam.GradCAM),
    ("grad-cam++", pytorch_grad_cam.GradCAMPlusPlus),
    ("hires-cam", pytorch_grad_cam.HiResCAM),
    ("layer-cam", pytorch_grad_cam.LayerCAM),
]
"""Methods and their classes in pytorch-grad-cam."""


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
