"""Whether the run in this process was asked to stop, for what would otherwise wait or go on for
long.
"""


class Stopped(Exception):  # noqa: N818  # no error: it leaves what is not worth finishing
    """A stop was asked for, and what was being done was left unfinished."""


_is_asked_for = False


def ask_for_stop(wanted: bool) -> None:
    """Say whether the run is to stop."""
    global _is_asked_for
    _is_asked_for = wanted


def leave_if_asked() -> None:
    """Raise Stopped if the run is to stop; call it where nothing that counts would be lost."""
    if _is_asked_for:
        raise Stopped
