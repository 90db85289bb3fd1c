"""Whether the run in this process was asked to stop; long waits and long work check it."""


class Stopped(Exception):  # noqa: N818  # no error: it leaves unfinished work
    """A stop was requested, and the current work was left unfinished."""


_is_asked_for = False


def ask_for_stop(wanted: bool) -> None:
    """Say whether the run is to stop."""
    global _is_asked_for
    _is_asked_for = wanted


def leave_if_asked() -> None:
    """Raise Stopped if the run is to stop; call it where no work that counts would be lost."""
    if _is_asked_for:
        raise Stopped
