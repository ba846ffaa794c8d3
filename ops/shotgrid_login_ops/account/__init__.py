"""`shotgrid-login check --aws`: show before the first deployment what would make it fail, and what to type.

It only reads. Each of its calls can be denied: then the line is `UNKNOWN`, and the other lines are not affected.

- `command` runs the whole check, and `deployment` is the account, the region, the stack and its parameters.
- `stack_state`, `region`, `concurrency`, `permissions`, `certificate` and `topic` check one thing each.
"""
