"""What is kept on disk: part files, finished files, ledger, lock. Only `fs` and what is behind it touch files."""
