"""Cold starts, CPU time and calls to other services. `make bench` prints ratios of two measurements of the same run.

Machines differ and may be busy, so no time is asserted and a slow result fails nothing.

- `unpacked` copies the functions and layers to a folder as Lambda does, beside the `floors`: minimal functions that
  the functions are compared with.
- `cold` measures cold starts.
- `warm` deploys a stack and runs `calls` in a process with the environment of a function. `calls` sends `events` to the
  functions. `outgoing` counts the calls that they make, or replays the responses of AWS.
- `page` runs the module of the pages in Node.js and counts its requests during a browser sign-in.
- `__main__` prints the results.
"""
