"""What is kept on disk: part files, finished files, the ledger, the lock. Only `fs` and what is behind it touch files."""
