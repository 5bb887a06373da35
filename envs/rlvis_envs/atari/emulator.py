"""The one door to ALE and OpenCV, which the extra `atari` brings."""

from difflib import get_close_matches

from rlvis_envs.errors import AtariMissingError

try:
    import ale_py
    import cv2
    from ale_py import ALEState, roms
    from ale_py.env import AtariEnv
    from ale_py.registration import rom_id_to_name
except ImportError as error:
    raise AtariMissingError(error) from None

__all__ = ["ALEState", "AtariEnv", "cv2", "opened", "rom_of"]


def rom_of(game: object) -> str:
    """The name of a game's ROM, "ms_pacman" of "MsPacman"; its own name will do, too.

    Raises:
        ValueError: There is no such game.
    """
    names = {rom_id_to_name(rom): rom for rom in roms.get_all_rom_ids()}
    if game in names:
        return names[str(game)]
    if game in names.values():
        return str(game)
    near = get_close_matches(str(game).title().replace("_", ""), names, 3) or ["Boxing", "Pong"]
    raise ValueError(f"game={game!r} must be a game of ALE, such as {', '.join(near)}")


def opened(rom: str, max_frames: int) -> AtariEnv:
    """A game that goes on by one frame a step and knows no chance.

    Raises:
        ValueError: Its ROM is missing, or is another one than ALE knows.
    """
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    try:
        return AtariEnv(
            game=rom,
            frameskip=1,
            repeat_action_probability=0.0,
            max_num_frames_per_episode=max_frames,
        )
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the ROM of {rom} must be where ALE looks for it: {reason}") from None
