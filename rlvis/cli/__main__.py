"""`python -m rlvis.cli` is the command `rlvis`."""

from rlvis.cli import main

main()
