"""Where to compute, as users name it."""

import torch

from rlvis.errors import InputError


def as_device(name: str | torch.device) -> torch.device:
    """A device that computes here and now.

    Raises:
        InputError: if there is no such device, or none on this machine.
    """
    try:
        device = torch.device(name)
        torch.ones(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise InputError(
            f"cannot compute on {str(name)!r} ({reason}); there is {', '.join(found)}"
        ) from None
    return device
