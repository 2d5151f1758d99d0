"""Mutated answers: nothing but our own errors, and no row gets lost.

Half of the mutants change bytes (many are no JSON any more), half change values inside the JSON, which is where
tolerant readers go wrong. The seeds are fixed, so a failure repeats.
"""

from __future__ import annotations

import copy
import json
import random

import pytest

from landsat_async.errors import LandsatError
from landsat_async.m2m.response import understand
from landsat_async.m2m.transport import ApiReply
from tests.m2m.test_read_downloads import CALLS, recorded_bodies

STRANGE = [
    None, True, False, 0, -1, 1.5, 2**53, 2**63, 10**25, "", " ", "123", "12x", "None", "NaN", "\x1b[31m", "\u0000",
    "ü", [], {}, [[]], [None], {"": None}, {"a": 1}, "x" * 300, "true", "-1",
]  # fmt: skip
LISTS = {
    "download-request": ("availableDownloads", "preparingDownloads", "failed"),
    "download-retrieve": ("available", "requested"),
    "scene-search": ("results",),
}


def bodies():
    return [
        (param.values[0], json.dumps(param.values[1]).encode())
        for param in recorded_bodies()
        if len(json.dumps(param.values[1])) < 12_000
    ]


def mutate_bytes(body: bytes, rng: random.Random) -> bytes:
    mutant = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(mutant))
        match rng.randrange(4):
            case 0:
                mutant[at] = rng.randrange(256)
            case 1:
                mutant[at] = rng.choice(b'{}[]",:0189eE.-+ntf\\u')
            case 2:
                del mutant[at : at + rng.randint(1, 8)]
            case _:
                mutant[at:at] = rng.choice([b"NaN", b"1e999", b"[", b"{", b"9" * 30, b"\\ud800", b"null,", b"\xff"])
        if not mutant:
            break
    return bytes(mutant)


def mutate_values(body: bytes, rng: random.Random) -> bytes:
    tree = json.loads(body)
    for _ in range(rng.randint(1, 3)):
        node, parents = tree.get("data"), [(tree, "data")]
        while isinstance(node, dict | list) and node and rng.random() < 0.85:
            key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
            parents.append((node, key))
            node = node[key]
        holder, key = parents[-1]
        if rng.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
        else:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return json.dumps(tree).encode()


def rows_in(endpoint: str, body: bytes) -> int | None:
    """How many rows the body holds where the reader looks for rows; None when that cannot be said."""
    try:
        tree = json.loads(body, parse_int=lambda digits: 0)
    except (ValueError, RecursionError):
        return None
    data = tree.get("data") if isinstance(tree, dict) else None
    if endpoint in LISTS:
        lists = [data.get(name) for name in LISTS[endpoint]] if isinstance(data, dict) else []
    elif endpoint in ("download-search", "download-options", "dataset-search", "download-order-load"):
        lists = [data]
    else:
        return None
    return sum(len(rows) for rows in lists if isinstance(rows, list | dict))


def rows_out(endpoint: str, value, unusable) -> int:
    if endpoint == "download-request":
        return len(value.available) + len(value.preparing) + len(value.failed)
    if endpoint == "download-retrieve":
        return len(value.available) + len(value.requested) + len(value.unusable)
    if endpoint == "scene-search":
        assert value.rows == len(value.scenes) + len(unusable)
        return value.rows
    return len(value) + len(unusable)


def run(seed: int, count: int) -> dict[str, int]:
    rng = random.Random(seed)
    pool = bodies()
    seen = {"read": 0, "refused": 0, "with unusable rows": 0, "in one pass": 0}
    for _ in range(count):
        endpoint, body = rng.choice(pool)
        mutant = rng.choice((mutate_bytes, mutate_values))(body, rng)
        status = rng.choice((200, 200, 200, 400, 403, 500))
        try:
            value, unusable = understand(
                CALLS[endpoint], ApiReply(status, "application/json", bytearray(mutant), None, None), ("tok",)
            )
        except LandsatError as error:
            str(error).encode()
            seen["refused"] += 1
            continue
        in_one_pass = CALLS[endpoint].usual and CALLS[endpoint].usual(bytearray(mutant))
        if in_one_pass is not None:  # what is read so is what is read with tolerance
            seen["in one pass"] += 1
            assert (value, unusable) == (in_one_pass, [])
        seen["read"] += 1
        seen["with unusable rows"] += bool(unusable)
        expected = rows_in(endpoint, mutant)
        if expected is not None:
            assert rows_out(endpoint, value, unusable) >= expected, (endpoint, mutant[:2000])
    return seen


@pytest.mark.faults("A12", "A13", "A14")
def test_A12_20000_mutated_answers_lose_nothing():
    seen = run(20260114, 20_000)
    assert min(seen["read"], seen["refused"]) > 2000  # the mutants reach both sides
    assert seen["with unusable rows"] > 200
    assert seen["in one pass"] > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(9))
def test_A12_mutated_answers_by_the_hundred_thousand(seed):
    run(seed, 22_500)
