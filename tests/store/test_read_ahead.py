from hypothesis import given
from hypothesis import strategies as st

from landsat_async.store import read_ahead
from landsat_async.store.read_ahead import BLOCKS, ReadAhead


@given(
    st.integers(0, 300), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 330)), max_size=12), st.integers(1, 64)
)
def test_reads_are_those_of_the_file(size_bytes, reads, block):
    body, fetched = bytes(i % 251 for i in range(size_bytes)), []

    def fetch(size, offset):
        fetched.append((size, offset))
        return body[offset : offset + size]

    before, read_ahead.BLOCK_BYTES = read_ahead.BLOCK_BYTES, block
    try:
        file = ReadAhead(fetch, size_bytes)
        for size, offset in reads:
            assert file.read(size, offset) == body[offset : offset + size]
            assert len(file._blocks) <= BLOCKS
    finally:
        read_ahead.BLOCK_BYTES = before
    assert all(size > 0 and offset % block == 0 for size, offset in fetched)


def test_many_small_reads_are_few_requests():
    fetched = []
    file = ReadAhead(lambda size, offset: fetched.append(offset) or bytes(size), 10 * 2**20)
    for at in range(0, 10 * 2**20, 4096):
        file.read(16, at)
    assert fetched == [0, 4 * 2**20, 8 * 2**20]
