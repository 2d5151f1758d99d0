"""The resumable, verified transfer of one file; usable alone, see `transfer.transfer`.

- outcome: plain values in and out
- links: which links may be followed
- net: session for file hosts, threads for the disk
- faults: what foreign exceptions mean
- body: from the connection to the part
- split: one file over several connections
- attempt: one request
- transfer: attempts, proof, final name
"""
