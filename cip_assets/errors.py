"""Errors that a person can act on."""


class PlatformError(Exception):
    """Something that the person who runs the platform can mend.

    The message is one line: what is wrong, where (table, file, line, column), and what to do.
    The command line prints it without a traceback; Dagster shows it as the step's error.
    """
