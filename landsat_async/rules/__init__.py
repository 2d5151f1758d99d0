"""Decisions: plain functions from values to values.

Nothing in here waits, reads a clock, draws a random number, opens a file or a socket; time and chance come
in as arguments. A test holds that by looking at the imports, so every rule can be proven with
`assert rule(x) == y` and read as arithmetic.
"""
