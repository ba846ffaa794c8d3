"""`shotgrid-login check --aws`: show before the first deployment what would make it fail, and what to type.

It only reads. Each of its calls can be denied: then the line is `UNKNOWN`, and the other lines are not affected.

- `command` runs the whole check, and `deployment` is the account, the region and the parameters of the deployment.
- `stack_state`, `concurrency`, `region`, `permissions`, `certificate`, `notifications` and `access_log` check one thing
  each.
"""
