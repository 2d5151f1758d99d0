"""Proof that bytes are the file: what is read of each kind of file, and what that says."""
