"""What `make run` and the suite start: the stack on local AWS, and the webhook of a studio."""
