"""Of a test that passed one message is sent, and of one that has not passed all that went wrong."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.support import few_reports


def sent(monkeypatch, **outcomes):
    reports = [SimpleNamespace(when=when, passed=outcome == "passed") for when, outcome in outcomes.items()]
    monkeypatch.setattr(few_reports, "runtestprotocol", lambda item, *, log, nextitem: reports)
    told = []
    item = SimpleNamespace(ihook=SimpleNamespace(pytest_runtest_logreport=lambda report: told.append(report.when)))
    assert few_reports.pytest_runtest_protocol(item, None) is True
    return told


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ({"setup": "passed", "call": "passed", "teardown": "passed"}, ["call"]),
        ({"setup": "passed", "call": "failed", "teardown": "passed"}, ["call"]),
        ({"setup": "passed", "call": "passed", "teardown": "failed"}, ["call", "teardown"]),
        ({"setup": "failed", "teardown": "failed"}, ["setup", "teardown"]),
        ({"setup": "skipped", "teardown": "passed"}, ["setup"]),
    ],
    ids=str,
)
def test_one_message_unless_more_went_wrong(monkeypatch, outcomes, told):
    assert sent(monkeypatch, **outcomes) == told


@pytest.mark.parametrize(
    ("asked", "enough"),
    [
        ({}, True),
        ({"durations": 20}, False),
        ({"durations": 0}, False),
        ({"xmlpath": "report.xml"}, False),
        ({"handed_out": False}, False),
    ],
    ids=str,
)
def test_all_messages_are_sent_where_somebody_asks_for_them(asked, enough):
    options = SimpleNamespace(durations=asked.get("durations"), xmlpath=asked.get("xmlpath"))
    config = SimpleNamespace(option=options)
    if asked.get("handed_out", True):
        config.workerinput = {}
    assert few_reports.are_enough(config) is enough
