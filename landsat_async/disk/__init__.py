"""What is kept on disk: part files, finished files, ledger, lock.

All but the database of the ledger goes through `fs`.
"""
