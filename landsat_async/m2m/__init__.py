"""Talks to the USGS Machine-to-Machine API; the only place that knows its JSON.

`client.M2MClient` is usable alone. A call is built by `payloads`, sent until it has an answer by `caller` (one at a
time, with `api_retry` deciding about failures), moved by `transport`, opened by `response` and read by `read_*` into
the types of `replies`; `download_request` builds and reads the call of that name. `tolerant` knows all spellings of a
value, `api_errors` names what the service says is wrong, and `network_errors` why there is no answer.
"""
