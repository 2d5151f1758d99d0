"""How long to wait before the next try."""

from __future__ import annotations

import email.utils

RETRY_AFTER_MAX_S = 3600.0
"""Longer wishes of a server are not followed blindly; a later date is treated as absent."""


def full_jitter_s(failures: int, u: float, *, base_s: float = 1.0, cap_s: float = 60.0) -> float:
    """Return uniform(0, min(cap, base * 2^(failures-1))) seconds for a drawn `u` in [0, 1).

    Full jitter, so that many clients which fail together do not come back together.
    """
    exponent = min(max(failures - 1, 0), 30)  # 2**31 s is beyond any cap; keeps the float finite
    return u * min(cap_s, base_s * 2.0**exponent)


def parse_retry_after_s(value: str | None, now_unix_s: float) -> float | None:
    """Read a Retry-After header (RFC 9110 §10.2.3): seconds or an HTTP date. None = absent or unusable.

    A date in the past means "now" (0.0). More than an hour, negative numbers and junk are unusable.
    """
    if value is None or len(value) > 64:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text[:12])
    else:
        try:
            when = email.utils.parsedate_to_datetime(text)
            wait_s = max(0.0, when.timestamp() - now_unix_s)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return wait_s if wait_s <= RETRY_AFTER_MAX_S else None


def with_retry_after_s(own_wait_s: float, retry_after_s: float | None, u: float) -> float:
    """Combine our own back-off with the wish of the server, plus jitter so that the wish is no starting gun."""
    if retry_after_s is None:
        return own_wait_s
    return max(own_wait_s, retry_after_s + u * (0.1 * retry_after_s + 1.0))
