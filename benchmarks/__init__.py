"""Measurements beside other programs, on this machine, without the internet. See `python -m benchmarks --help`."""
