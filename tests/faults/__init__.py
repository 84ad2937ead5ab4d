"""Faults that happen to streaming workers, and the proof that the figures stay exact through each of them.

`make test` tries every fault once, `make faults` with many seeds, and `make soak` for as long as one likes.
"""
