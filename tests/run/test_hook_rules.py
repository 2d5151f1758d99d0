from __future__ import annotations

import pytest

from landsat_async.run.hook_rules import command_of, environment_of, queue_addition, queue_has, why_failed


def test_values_stand_in_arguments_and_are_not_read_again():
    values = {"folder": "/d/{display_id}", "display_id": "X"}
    assert command_of(["go", "{folder}", "-i={display_id}", "{{}}"], values) == ["go", "/d/{display_id}", "-i=X", "{}"]


@pytest.mark.faults("Y40")
@pytest.mark.parametrize(
    "name", ["USGS_TOKEN", "M2M_TOKEN", "M2M_PASSWORD", "usgs_token", "LANDSAT_ASYNC__SERVICE__TOKEN_COMMAND"]
)
def test_no_secret_reaches_a_hook_by_the_name_of_its_variable(name):
    assert environment_of({name: "x", "PATH": "/bin"}, {}, ()) == {"PATH": "/bin"}


@pytest.mark.faults("Y40")
def test_no_secret_reaches_a_hook_by_its_value():
    env = environment_of({"MY_OWN": "a-secret-b", "HOME": "/h", "EMPTY": ""}, {"folder": "/d"}, ("secret", ""))
    assert env == {"HOME": "/h", "EMPTY": "", "LANDSAT_FOLDER": "/d"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", False),
        ("/a QUEUED\n", True),
        ("/a DONE\n", True),
        ("/a\n", True),
        ("/b QUEUED\r\n/a FAIL\r\n", True),
        ("/a/b QUEUED\n/ab QUEUED\n", False),
    ],
)
def test_a_line_counts_whatever_force_has_made_of_it(text, known):
    assert queue_has(text, "/a") is known
    assert (queue_addition(text, "/a") == "") is known


def test_a_line_begins_on_a_line_of_its_own():
    assert queue_addition("", "/a") == "/a QUEUED\n"
    assert queue_addition("/b DONE\n", "/a") == "/a QUEUED\n"
    assert queue_addition("/b DONE", "/a b") == "\n/a b QUEUED\n"
    assert queue_addition("/a b DONE", "/a b") == ""


@pytest.mark.parametrize(
    ("rc", "said", "why"),
    [
        (3, "", "ended with 3"),
        (3, "first\nlast\n\n", "ended with 3: last"),
        (-9, "", "died of signal 9"),
        (None, "x", "did not end within 5 s: x"),
        (1, "\x1b[31mred", "ended with 1: ?[31mred"),
    ],
)
def test_a_failure_says_how_it_ended_and_what_was_said_last(rc, said, why):
    assert why_failed(rc, 5.0, said) == why


@pytest.mark.faults("P60")
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("using s3cr3t-word now", "using *** now"),
        ("GET https://h.gov/f?sig=abc failed", "GET https://h.gov/*** failed"),
        ("token: abcdef", "token: ***"),
        ("no file /data/lake2024/LC08_L2SP_004053_20240705_20240714_02_T1/x.TIF", None),
        (f"{'x' * 195}s3cr3t-word", f"{'x' * 195}***"),
    ],
)
def test_what_a_hook_says_is_shown_without_secrets_and_with_its_paths(said, shown):
    assert why_failed(1, 5.0, said, ("s3cr3t-word", "")) == f"ended with 1: {shown or said}"
