"""Why a command cannot run. The messages contain no secret and nothing that the user typed, except names of stacks."""


class UsageError(Exception):
    """The command cannot run with these options. The message names what to change."""


class AwsFailed(Exception):
    """AWS cannot be called, or rejected a call. The message is one line for the operator."""
