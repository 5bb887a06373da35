"""How a process uses the machine: on how many threads it computes, and what it does with memory."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_GIVEN_BACK, _OF_ITS_OWN = 2**31 - 1, 2**30


def limit_threads(count: int) -> None:
    """Let PyTorch, and what multiplies NumPy's matrices, compute on so many threads.

    Passes of small policies cost less than threads do.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count, "blas")


def keep_freed_memory() -> None:
    """Let the C library keep the memory that is freed, up to 2 GiB, for what is asked for next.

    It otherwise gives the activations of every layer back to the system, which must clear them page
    by page when the next pass asks again: that can take as long as the network's multiplications.
    Does nothing where the C library is not glibc.
    """
    if sys.platform != "linux":
        return
    known = ctypes.CDLL(None)
    if hasattr(known, "mallopt"):
        known.mallopt(_MMAP_THRESHOLD, _OF_ITS_OWN)
        known.mallopt(_TRIM_THRESHOLD, _GIVEN_BACK)
