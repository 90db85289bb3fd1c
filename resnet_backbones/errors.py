"""The error that a user can cause and correct, and the errors of a damaged zip file.

Imports the standard library alone, so any module may import it.
"""

import struct
import zipfile
import zlib

ZIP_DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    RuntimeError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What zipfile raises where bits of an archive's structure are not what was written."""


class UserError(ValueError):
    """An error that the user caused: a wrong setting, file or argument.

    The message states the rule, the value that was seen and the way out. Commands print it as one
    line and end with status 2; any other exception is our bug and keeps its traceback.
    """


def as_line(error: BaseException) -> str | None:
    """Return the line for an error that the user can correct; None for any other, our bug.

    The user can correct a UserError, and an OSError that names a file.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
