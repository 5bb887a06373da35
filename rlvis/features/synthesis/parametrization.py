"""Images as parameters: by their spectrum with decorrelated colours, or by their pixels.

After Lucid: an optimizer that moves Fourier coefficients scaled to equal energy, and colours along
their principal axes in photos, makes smooth images where pixels would make noise.
"""

import torch
from torch import Tensor

_COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
_COLOURS = _COLOURS / _COLOURS.norm(dim=0).max()
_CALM = 4.0


class FourierImages:
    """Images 0..1 given by their spectra (Olah et al. 2017, "Preconditioning").

    Args:
        shape: (N, C, H, W).
        deviation: of the spectrum at the start.
        decay: power of the frequency by which it is damped.
        seed: of the start.

    Attributes:
        parameters: float (N, C, H, W // 2 + 1, 2), at the start.
        decorrelated: whether the channels are colours, along their principal axes.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        deviation: float = 0.01,
        decay: float = 1,
        seed: int = 0,
    ) -> None:
        count, channels, self._height, self._width = shape
        rows = torch.fft.fftfreq(self._height)[:, None]
        columns = torch.fft.rfftfreq(self._width)[None]
        frequencies = (rows**2 + columns**2).sqrt()
        least = 1 / max(self._height, self._width)
        self._scale = frequencies.clamp(min=least) ** -decay / _CALM
        generator = torch.Generator().manual_seed(seed)
        self.decorrelated = channels == 3
        size = (count, channels, *frequencies.shape, 2)
        self.parameters = torch.randn(size, generator=generator) * deviation

    def __call__(self, parameters: Tensor) -> Tensor:
        """Images (N, C, H, W) in 0..1."""
        spectrum = torch.view_as_complex(parameters) * self._scale.to(parameters.device)
        images = torch.fft.irfft2(spectrum, s=(self._height, self._width), norm="ortho")
        if self.decorrelated:
            images = torch.einsum("nchw,dc->ndhw", images, _COLOURS.to(images))
        return images.sigmoid()


class PixelImages:
    """Images 0..1 given by their pixels: plain gradient ascent.

    Args:
        shape: (N, C, H, W).
        deviation: of the pixels' logits at the start.
        seed: of the start.
    """

    decorrelated = False

    def __init__(
        self, shape: tuple[int, int, int, int], deviation: float = 0.01, seed: int = 0
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.parameters = torch.randn(shape, generator=generator) * deviation

    def __call__(self, parameters: Tensor) -> Tensor:
        """Images (N, C, H, W) in 0..1."""
        return parameters.sigmoid()
