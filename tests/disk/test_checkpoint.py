"""What is known of an unfinished file survives being written down, and is not believed when it has suffered."""

from __future__ import annotations

import msgspec
import pytest

from landsat_async.disk.checkpoint import EMPTY_SHA256, Checkpoint, _checksum

FULL = Checkpoint(
    durable=4096, sha256="ab" * 32, total=9000, etag='"v1"', last_modified="Mon, 01 Jul 2024 00:00:00 GMT",
    date="Tue, 02 Jul 2024 00:00:00 GMT", joined_weakly=True, named=True, joined=1024, compared=512,
)  # fmt: skip


@pytest.mark.parametrize("known", [Checkpoint(), FULL, Checkpoint(durable=1)])
def test_what_was_packed_is_read_as_it_was(known):
    assert Checkpoint.unpack(known.pack()) == known


def test_nothing_is_known_of_a_new_part():
    assert (Checkpoint().durable, Checkpoint().sha256, Checkpoint().total) == (0, EMPTY_SHA256, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        FULL.pack()[:-1],
        FULL.pack().replace(b'"durable":4096', b'"durable":4097'),
        FULL.pack().replace(b'"total":9000', b'"total":4096'),
        FULL.pack().replace(b'"joined_weakly":true', b'"joined_weakly":false'),
        msgspec.json.encode(msgspec.to_builtins(FULL)),
    ],
    ids=["empty", "null", "a list", "no text", "cut", "longer", "another size", "tied", "no checksum"],
)
def test_a_checkpoint_that_has_suffered_is_none(data):
    assert Checkpoint.unpack(data) is None


def test_values_of_another_type_are_none_even_with_the_right_checksum():
    known = msgspec.to_builtins(FULL) | {"durable": "many"}
    assert Checkpoint.unpack(msgspec.json.encode({**known, "check": _checksum(known)})) is None


def test_one_of_an_older_version_does_not_say_where_answers_join_so_none_of_it_is_believed_to_be_one():
    known = msgspec.to_builtins(FULL)
    del known["joined"]
    read = Checkpoint.unpack(msgspec.json.encode({**known, "check": _checksum(known)}))
    assert read is not None
    assert (read.joined, read.durable) == (4096, 4096)
