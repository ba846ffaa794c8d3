"""A load run: many users wait for their approval while others use the gateway. `make load USERS=250 SECONDS=30`.

It shows that waiting users neither slow down nor throttle the other routes, and that each user gets one session. The
gateway is the real template on local AWS, over HTTP, with its limits. All requests come from one address.

On AWS each function has its own capacity. Here everything shares the CPUs of this machine. So the times are compared
with those of two other kinds of rounds: `quiet`, and `other load`, where other requests use as much of the machine. The
run first measures how many polls this machine carries. If polls every five seconds are too many, users poll less often.
"""
