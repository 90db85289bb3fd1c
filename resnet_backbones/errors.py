"""The error that a user can cause and mend.  Imports nothing, so that everything may import it."""


class UserError(ValueError):
    """What a user can cause: a wrong setting, file or argument.

    The message says the rule, what was seen and the way out. Command lines print it as one line and
    end with status 2; any other exception is a fault of this library and keeps its traceback.
    """


def as_line(error: BaseException) -> str | None:
    """Say in one line what a user can mend; None for any other error, which is a fault of ours.

    Those are a UserError, and an OSError that names a file.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
