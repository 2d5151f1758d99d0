from __future__ import annotations

from tests.support.knobs_page import PAGE, page_with_knobs


def test_the_page_has_every_knob_as_the_script_has_it():
    """After a change of the script: python -m tests.support.knobs_page."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_knobs(page)
