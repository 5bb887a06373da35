"""How many threads a command computes on."""


def one_thread() -> None:
    """Let PyTorch compute on one thread: passes of small policies cost less than threads."""
    import torch

    torch.set_num_threads(1)
