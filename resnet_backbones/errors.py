"""The error that a user can cause and mend.  Imports nothing, so that everything may import it."""


class UserError(ValueError):
    """What a user can cause: a wrong setting, file or argument.

    The message says the rule, what was seen and the way out. Command lines print it as one line and
    end with status 2; any other exception is a fault of this library and keeps its traceback.
    """
