"""Errors that are the user's to mend."""


class UserError(Exception):
    """Something is not as it must be; the message is one line for the user, who needs no trace."""
