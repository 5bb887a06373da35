"""The command `rlvis inspect`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.playing import RecordedPolicy


def command(
    recording: Positional[Path],
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
) -> None:
    """Open a recording in the browser: scrub it, explain any step by any method, find moments.

    Nothing leaves this machine.

    Args:
        recording: the folder of the recording.
        source: the policy, with which maps are made.
        host: the address to listen on; on any but this machine's own a token is asked for.
        port: 0 for 7531, or the next that is free.
        browser: open the page; --no-browser only prints its address.
    """
    import warnings

    from rlvis.errors import InputError, Notice
    from rlvis.inspector.serving import check_installed, serve

    check_installed()
    from rlvis.inspector.app import build_app
    from rlvis.inspector.recorded_routes import recorded_routes
    from rlvis.inspector.recorded_source import RecordedSource
    from rlvis.inspector.security import is_loopback
    from rlvis.rollouts.recording import Recording

    opened = Recording.open(recording)
    opened.numbers(0)
    try:
        policy = source.of(opened)
    except InputError as error:
        if source.model is not None:
            raise
        warnings.warn(f"only what was recorded is shown: {error}", Notice, stacklevel=1)
        policy = None
    shown = RecordedSource(opened, policy, files=is_loopback(host))
    serve(lambda: build_app(shown, recorded_routes), host, port, browser=browser)
