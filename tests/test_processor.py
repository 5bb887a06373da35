"""Threads and memory of a command."""

import platform
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from rlvis.processor import limit_threads

FAULTS = """
import resource
from rlvis.processor import keep_freed_memory

if {keep}:
    keep_freed_memory()
for _ in range(20):
    b"x" * 2**26
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def test_threads_are_those_of_torch_and_of_matrices() -> None:
    before = torch.get_num_threads()
    try:
        limit_threads(1)
        assert torch.get_num_threads() == 1
        assert {
            each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"
        } == {1}
    finally:
        limit_threads(before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_freed_memory_is_not_cleared_again_by_the_system() -> None:
    def faults(keep: bool) -> int:
        command = [sys.executable, "-c", FAULTS.format(keep=keep)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults(True) < faults(False) / 4
