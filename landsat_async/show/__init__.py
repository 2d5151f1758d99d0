"""For people: the command line, the progress display, tables and JSON lines. Nothing below imports it.

Only this package touches signals, the terminal, logging handlers and exit codes.
"""
