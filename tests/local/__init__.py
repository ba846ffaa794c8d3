"""What `make run` starts, and the suite with it: a stand-in for the ShotGrid site, and the stack on local AWS."""
