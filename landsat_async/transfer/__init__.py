"""The resumable, verified transfer of one file; usable alone, see `transfer.transfer`.

- types: plain values in and out, and what is told and asked meanwhile
- pool: where transfers run
- transfer: the owner of one transfer: attempts until the file is here
- attempt: one request, its head, its body
- sink, fast_path: from the connection to the part
- multi_range, ranges: one file over several connections
- commit, finish: proof and final name, and what follows
- recheck, repair: what is compared again, and put right between attempts
- resume, headers, retry, speed: what ranges, heads, faults and rates mean; pure
- session, open_session, file_errors, checksums: what all transfers share
"""
