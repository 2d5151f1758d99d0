"""What is kept on disk: part files, finished files, the ledger, the lock. Only `fsops` touches files."""
