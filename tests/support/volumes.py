"""How many examples hypothesis tries: few in the suite, all with `--hypothesis-profile=full` (see CONTRIBUTING)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

SUITE_SHARE = 5
"""The suite tries one of so many, the same ones each time; the labs try all, other ones each time."""


def register() -> None:
    """Make both profiles known, and take the small one unless the command line names another."""
    settings.register_profile("full", max_examples=100, deadline=None)
    slow_machine = [HealthCheck.too_slow]  # says something of the machine, and nothing of the program
    settings.register_profile(
        "suite",
        max_examples=100 // SUITE_SHARE,
        deadline=None,
        derandomize=True,
        suppress_health_check=slow_machine,
    )
    settings.load_profile("suite")


def examples(full: int) -> int:
    """Return how many examples to try of a test that tries `full` of them in the labs."""
    is_full = settings().max_examples >= 100
    return full if is_full else max(20, full // SUITE_SHARE)
