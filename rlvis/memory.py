"""Memory that long loops over large arrays no longer need, given back to the system."""

import ctypes


def give_back_memory() -> None:
    """Return freed memory to the system; takes some milliseconds.

    The C library keeps large blocks that were freed, and small ones that live on come to lie in
    them, so that the next large block needs room elsewhere: a film takes a megabyte more with every
    frame (measured with glibc 2.36). Where the library has no `malloc_trim` nothing is done.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
