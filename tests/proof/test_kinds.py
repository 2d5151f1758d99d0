import pytest

from landsat_async.proof.kinds import is_doubtful

MIB = 2**20


@pytest.mark.faults("K27")
@pytest.mark.parametrize(
    ("size", "listed", "doubtful"),
    [
        (122, 60 * MIB, True),
        (29 * MIB - 1, 60 * MIB, True),
        (29 * MIB, 60 * MIB, False),
        (121 * MIB, 60 * MIB, False),
        (121 * MIB + 1, 60 * MIB, True),
        (10_000, 819_000_000, True),
        (1, 2 * MIB, False),
        (5 * MIB, 14_680_064, True),
        (1, None, False),
        (1, 0, False),
        (1, -5, False),
        (9 * MIB, 1, True),
    ],
)
def test_K27_a_size_far_from_the_listed_one_is_a_doubt(size, listed, doubtful):
    assert is_doubtful(size, listed) is doubtful
