"""What `make run` starts, and the suite with it: a fake site for the ShotGrid site, and the stack on local AWS."""
