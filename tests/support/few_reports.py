"""What a process that was handed tests sends to the one that hands them out: of a test that passed one message.

By itself it sends five: that the test begins, three reports, that it has ended. Each is packed, sent, unpacked and
passed through all plugins, which takes more time than most tests do.
"""

from __future__ import annotations

from _pytest.runner import runtestprotocol


def are_enough(config) -> bool:
    """Tell whether nobody has asked for what only the other messages tell: the times of fixtures, or XML."""
    wanted = config.option.durations is not None or config.option.xmlpath is not None
    return hasattr(config, "workerinput") and not wanted


def pytest_runtest_protocol(item, nextitem):
    """Run a test; report its call, and what of the rest has not passed."""
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True
