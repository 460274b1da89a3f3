"""What the command reports to its user rather than as a traceback."""


class UserError(Exception):
    """Bad input or usage.  The message is one line that says what is wrong and what to do; the command prints it
    and ends with status 2."""
