"""Atari games whose objects can be asked about: `rlvis_envs:AtariObjects-v0`."""
