"""What a refused login says about the look of user name and token."""

from __future__ import annotations

import pytest

from landsat_async.m2m.credential_doubts import doubts

TOKEN = "Qx7f_secret_part_of_the_token_0123456789"


@pytest.mark.faults("M34")
@pytest.mark.parametrize(
    ("username", "token", "said"),
    [
        ("ana", f'"{TOKEN}"', "without quotes"),
        ("ana", f"'{TOKEN}'", "without quotes"),
        ("ana", f"{TOKEN}'", "without quotes"),
        ("ana", f"token:{TOKEN}", "a word such as token:"),
        ("ana@example.org", TOKEN, "e-mail address"),
        ('"ana"', TOKEN, "user name begins or ends with a quotation mark"),
        (TOKEN, TOKEN, "same text"),
    ],
)
def test_M34_what_looks_wrong_is_said_without_the_token(username, token, said):
    (text,) = doubts(username, token)
    assert said in text
    assert TOKEN not in text


@pytest.mark.parametrize(("username", "token"), [("ana", TOKEN), ("ana.b-c_1", "a'b\"c"), ("o'hara", TOKEN)])
def test_ordinary_ones_are_not_doubted(username, token):
    assert doubts(username, token) == []
