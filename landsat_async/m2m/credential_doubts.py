"""What looks wrong with a user name and token that USGS did not accept; said at a refused login only.

No rule for either is published, so nothing is refused for its look. The texts never hold the token.
"""

from __future__ import annotations

import re

_QUOTES = "\"'`“”‘’«»"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def doubts(username: str, token: str) -> list[str]:
    """Return what is worth a look, each as a sentence."""
    found = []
    if token[:1] in _QUOTES or token[-1:] in _QUOTES:
        found.append("The token begins or ends with a quotation mark: write it without quotes.")
    if re.match(r"(token|app-token|bearer)[:=]", token, re.IGNORECASE):
        found.append("The token begins with a word such as token: in front; write what follows it alone.")
    if username[:1] in _QUOTES or username[-1:] in _QUOTES:
        found.append("The user name begins or ends with a quotation mark: write it without quotes.")
    elif _EMAIL.fullmatch(username):
        found.append("The user name is an e-mail address: USGS wants the ERS user name, which the profile page shows.")
    if username == token:
        found.append("User name and token are the same text.")
    return found
