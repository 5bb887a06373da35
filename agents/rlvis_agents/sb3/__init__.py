"""Agents of Stable-Baselines3 and sb3-contrib, rebuilt from their files without running code."""
