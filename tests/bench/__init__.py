"""What a sign-in costs beyond the least it could. `make bench` prints ratios of two measurements of the same run.

Machines differ and are busy, so nothing is asserted about time, and slowness fails nothing.

`unpacked` lays the functions out as Lambda does, beside the `floors` that they are compared with. `cold` starts them.
`warm` runs `calls` against a deployed stack, in a process of its own that has what a function has: it makes the
`events` and counts, or replays, what is `outgoing`. `__main__` prints it all.
"""
