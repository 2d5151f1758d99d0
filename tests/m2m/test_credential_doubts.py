"""What a refused login says about the look of user name and token."""

from __future__ import annotations

import pytest

from landsat_async.credentials import Credentials
from landsat_async.errors import CredentialsError
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.credential_doubts import doubts
from landsat_async.sim.server import open_simulator

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


@pytest.mark.faults("M34")
async def test_M34_a_refused_login_says_it_and_an_accepted_one_does_not():
    async with open_simulator() as sim:
        with pytest.raises(CredentialsError) as caught:
            async with M2MClient(sim.service_url, Credentials("ana@example.org", f'"{TOKEN}"')) as m2m:
                await m2m.login()
        assert "e-mail address" in caught.value.hint
        assert "without quotes" in caught.value.hint
        assert "Application Tokens" in caught.value.hint
        assert TOKEN not in f"{caught.value} {caught.value.hint}"
        assert sim.log.calls["login-token"] == 1
        async with M2MClient(sim.service_url, Credentials(sim.username, sim.token)) as m2m:
            await m2m.login()
