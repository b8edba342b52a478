"""Families of generated texts for the guard's training; see `widen.py`."""
