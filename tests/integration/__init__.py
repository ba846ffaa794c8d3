"""The parts against real local AWS: what roles may do, and what storage and logs hold."""
