"""The sub-pixel convolution gives the gradient that autograd gives, for every geometry."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rlvis.instrument.strided_conv import use_subpixel_gradients


@settings(max_examples=60, deadline=None)
@given(
    stride=st.integers(2, 4),
    kernel=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    size=st.tuples(st.integers(9, 24), st.integers(9, 24)),
    channels=st.integers(1, 4),
    bias=st.booleans(),
)
def test_it_is_the_gradient_of_autograd(stride, kernel, padding, size, channels, bias) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(channels, 5, kernel, stride, padding, bias=bias).double()
    x = torch.randn(2, channels, *size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn_like(convolution(x))
    (expected,) = torch.autograd.grad((weight * convolution(x)).sum(), x)
    use_subpixel_gradients(convolution)
    output = convolution(x)
    assert "ImageConvolution" in type(output.grad_fn).__name__
    (ours,) = torch.autograd.grad((weight * output).sum(), x)
    torch.testing.assert_close(ours, expected)


def test_other_convolutions_are_left_alone() -> None:
    for convolution in (
        nn.Conv2d(3, 6, 3),
        nn.Conv2d(8, 6, 3, stride=2),
        nn.Conv2d(4, 8, 3, stride=2, groups=2),
        nn.Conv2d(3, 6, 3, stride=2, dilation=2),
        nn.Conv2d(3, 6, 3, stride=(2, 1)),
        nn.Conv2d(3, 6, 3, stride=2, padding=1, padding_mode="reflect"),
    ):
        x = torch.randn(1, convolution.in_channels, 12, 12, requires_grad=True)
        use_subpixel_gradients(convolution)
        output = convolution(x)
        assert "ImageConvolution" not in type(output.grad_fn).__name__
