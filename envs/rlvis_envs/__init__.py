"""Visual worlds for reinforcement learning, built on MiniWorld, ALE and Gymnasium.

Importing this package registers the environments and nothing more: MiniWorld and OpenGL, or ALE,
are loaded when the first environment is made.

    env = gymnasium.make("rlvis_envs:CubeReach-v0")
"""

from gymnasium.envs.registration import register

from rlvis_envs.errors import AtariMissingError, OpenGLMissingError

__all__ = ["AtariMissingError", "OpenGLMissingError"]

_ENTRY_POINT = "rlvis_envs.cube_reach:CubeReachEnv"

register("CubeReach-v0", entry_point=_ENTRY_POINT)
register("CubeReachDistractors-v0", entry_point=_ENTRY_POINT, kwargs={"distractors": 3})
register("CubeReachChoice-v0", entry_point="rlvis_envs.cube_reach_choice:CubeReachChoiceEnv")
register("AtariObjects-v0", entry_point="rlvis_envs.atari.env:AtariObjectsEnv")
