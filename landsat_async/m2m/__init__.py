"""Talks to the USGS Machine-to-Machine API; the only place that knows its JSON.

`client.M2MClient` is usable alone. `payloads` builds what is sent, `wire` reads what comes back, `faults` names what
goes wrong, `transport` moves bytes, `gate` keeps calls one at a time.
"""
