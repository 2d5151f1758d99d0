"""The only package that owns tasks: search, request, poll, transfer, and the run that holds them together."""
