"""The error of a function that cannot start. It is apart from `configuration`, which the authorizer does not need."""


class ConfigurationError(Exception):
    """An environment variable is missing or invalid; the message names it."""
