"""Seals: what passes a scheduler can be opened by the processes that transfer, and not by the scheduler.

A scheduler keeps what it passes on: tasks, its last thousand messages to each worker, what memory it has freed and not
written over. So a parcel is closed with a key of its run (AES-256-GCM), and this key comes to a process closed for it
alone (X25519, HKDF): neither the key nor a link ever stands in the memory of the scheduler. It is no shield against
who commands the scheduler: such a one may run code on the workers.
"""

from __future__ import annotations

import secrets
from importlib.util import find_spec

KEY_BYTES = 32
_NONCE_BYTES = 12
_INFO = b"landsat-async run key "
PACKAGE = "cryptography"
"""What is needed for it; it comes with the extra `dask`."""


class SealBroken(Exception):
    """What was to be opened is closed with another key, or was changed on its way."""


def can_seal() -> bool:
    """Tell whether this process has what is needed."""
    return find_spec(PACKAGE) is not None


class RunKey:
    """Closes and opens what belongs to one run."""

    def __init__(self, raw: bytes) -> None:
        """Use these 32 bytes. Raises SealBroken when they are fewer or more."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(raw) != KEY_BYTES:
            raise SealBroken("a key of another length")
        self._raw, self._cipher = raw, AESGCM(raw)

    @classmethod
    def new(cls) -> RunKey:
        """Return another one each time."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def seal(self, plain: bytes, name: str) -> bytes:
        """Return `plain`, closed; only together with the same name it is opened again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """Return what was closed under this name. Raises SealBroken."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(name) from None

    def sealed_for(self, public: bytes, run: str) -> bytes:
        """Return this key, closed for the process that has shown this. Raises SealBroken when that is no public key."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        once = X25519PrivateKey.generate()
        own = once.public_key().public_bytes_raw()
        return own + _common(once, public, own + public, run).seal(self._raw, run)


class ProcessKey:
    """What a process can be given the keys of runs with; it never leaves it."""

    def __init__(self) -> None:
        """Make another one."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()
        """May be shown to everybody."""

    def open(self, sealed: bytes, run: str) -> RunKey:
        """Return the key of a run, closed for this process by `RunKey.sealed_for`. Raises SealBroken."""
        theirs, rest = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
        return RunKey(_common(self._private, theirs, theirs + self.public, run).open(rest, run))


def _common(own: object, theirs: bytes, both: bytes, run: str) -> RunKey:
    """Return what two that have shown each other something have in common, and nobody else."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert isinstance(own, X25519PrivateKey)
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise SealBroken(run) from None
    return RunKey(HKDF(SHA256(), KEY_BYTES, salt=None, info=_INFO + both + run.encode()).derive(shared))
