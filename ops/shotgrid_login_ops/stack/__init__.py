"""The commands for a deployed stack: its sessions, and the hashes in its logs. They need AWS credentials and boto3.

- `command` runs them.
- `deployed` finds the stack, and calls AWS with its outputs.
- `failures` explains the errors of AWS.
- `session_table` is the list of sessions.
"""
