"""A share of `python -m benchmarks.fuzz`, and that it would notice."""

from __future__ import annotations

import pytest

from benchmarks import fuzz
from landsat_async.transfer.headers import ContentRange

SEED = 7
FEW = {"http-head": 150, "ledger": 40, "part": 100, "toml": 500}


@pytest.mark.faults("F12", "F37", "F42", "A12", "A17", "D02", "D05", "D11", "H09", "H12", "K17")
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_no_mutation_does_harm(kind):
    count = FEW.get(kind, 2000)
    tally = fuzz.play(kind, count, SEED)
    assert tally.failures == []
    assert tally.seen.total() == count
    assert len(tally.seen) > 1, "all mutants end alike: they do not reach far"


def test_a_reader_that_believes_too_much_is_found_out_and_the_case_can_be_repeated(monkeypatch, capsys):
    def credulous(text):
        try:
            start, end = text.removeprefix("bytes ").partition("/")[0].split("-")
            return ContentRange(int(start), int(end) + 1, None)
        except ValueError:
            return None

    monkeypatch.setattr(fuzz, "parse_content_range", credulous)
    assert fuzz.main(["--kind", "content-range", "--count", "5000", "--seed", "3"]) == 1
    number = capsys.readouterr().out.split("number ")[1].split(":")[0]
    assert fuzz.main(["--kind", "content-range", "--count", "1", "--seed", "3", "--first", number]) == 1


def test_a_case_that_hangs_is_ended(monkeypatch):
    def endless(text, now_s):
        while True:
            pass

    monkeypatch.setattr(fuzz, "LONGEST_S", 0.05)
    monkeypatch.setattr(fuzz, "parse_retry_after_s", endless)
    tally = fuzz.play("retry-after", 2, SEED)
    assert len(tally.failures) == 2
    assert "Hung" in tally.failures[0]
