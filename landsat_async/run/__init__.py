"""A whole run: search, selection, requests, polls, workers, and what holds them together; it owns their tasks."""
