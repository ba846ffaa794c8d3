"""The fake ShotGrid site: for `make run` and the tests. It is never deployed."""
