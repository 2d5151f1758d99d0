"""What a file name promises, and whether the first bytes of a body keep it: one table of the kinds that USGS delivers.

A kind is added here and nowhere else: its row says by which names it is known, how it begins, and what reads it.

The file hosts answer with status 200 and a web page when a link has expired (the login page), when they are
being maintained, or when something behind them failed; some send a JSON or XML error instead. Nothing of that
may ever become a scene, so the first bytes are looked at before a single one is written (`sniff`). A magic number beats
the Content-Type, which is only asked when the bytes themselves decide nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from landsat_async.proof.byte_view import ByteView
from landsat_async.proof.inside import ids_in_json, ids_in_text
from landsat_async.proof.jpeg import walk_jpeg
from landsat_async.proof.tar import BLOCK_BYTES, is_old_header
from landsat_async.proof.text import check_json, check_odl, check_xml
from landsat_async.rules.redact import redact

_MIB = 1024 * 1024
HEAD_BYTES = 512
"""Bytes that are enough for every decision; a shorter body is judged by what there is of it."""

_MOST_LOOKED_AT_BYTES = 4096
_LONGEST_LINE = 200


class Traits(msgspec.Struct, frozen=True):
    """How files of a kind are recognised and read."""

    suffixes: tuple[str, ...] = ()
    """Ends of names, in lower case."""
    magic: tuple[bytes, ...] = ()
    """How such a file begins; () = nothing is known of that."""
    magic_at: int = 0
    """Where the magic stands, in bytes from the beginning."""
    begins: Callable[[bytes], bool] | None = None
    """Tells the beginning of such a file where the magic is missing; None = the magic is all there is."""
    format: str = "binary"
    """binary, text (blanks may stand before the magic), xml, json or other."""
    has_pixels: bool = False
    """Images are inside, which `Proof.CONTENT` decodes."""
    names_product: bool = False
    """A whole file of the kind names its product or scene inside."""
    check: Callable[[ByteView, str], tuple[str, ...]] | None = None
    """Reads the whole file and returns the ids that it gives itself; raises Damage. None = nothing can be read, or it
    is an image or a bundle, which `prove` reads itself because more than one level of proof is in them."""


def _check_jpeg(view: ByteView, _name: str) -> tuple[str, ...]:
    walk_jpeg(view)
    return ()


class FileKind(enum.Enum):
    """Kinds of files, as far as they can be told apart by name and checked; the first whose suffix fits counts."""

    TAR = Traits(
        (".tar",),
        (b"ustar",),
        magic_at=257,
        begins=lambda head: is_old_header(head[:BLOCK_BYTES]),
        has_pixels=True,
        names_product=True,
    )
    TIFF = Traits((".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), has_pixels=True)  # + is BigTIFF
    TEXT_MTL = Traits(
        ("_mtl.txt",),
        (b"GROUP",),
        format="text",
        names_product=True,
        check=lambda view, _: ids_in_text(check_odl(view, is_mtl=True)),
    )
    TEXT_ANG = Traits(
        ("_ang.txt",),
        (b"GROUP",),
        format="text",
        names_product=True,
        check=lambda view, _: ids_in_text(check_odl(view, is_mtl=False)),
    )
    XML = Traits(
        (".xml",),
        format="xml",
        names_product=True,
        check=lambda view, name: check_xml(view, is_mtl=name.lower().endswith("_mtl.xml")),
    )
    JSON = Traits(
        (".json",), format="json", names_product=True, check=lambda view, name: ids_in_json(check_json(view, name))
    )
    JPEG = Traits((".jpg", ".jpeg"), (b"\xff\xd8\xff",), check=_check_jpeg)
    OTHER = Traits(format="other")

    traits: Traits

    def __init__(self, traits: Traits) -> None:
        """Keep what is known of the kind, without the detour that enums make for their values."""
        self.traits = traits


_SUFFIXES = tuple((suffix, kind) for kind in FileKind for suffix in kind.traits.suffixes)


@lru_cache(maxsize=256)
def kind_of(name: str) -> FileKind:
    """Return the kind that a file name promises."""
    lower = name.lower()
    for suffix, kind in _SUFFIXES:
        if lower.endswith(suffix):
            return kind
    return FileKind.OTHER


def is_doubtful(size_bytes: int, listed_bytes: int | None) -> bool:
    """Tell whether a size lies outside listed/2 - 1 MiB to 2 x listed + 1 MiB; never where none is listed.

    Listed sizes are nominal: the sum of the files on disk for a bundle, whole MiB for a band. So they refuse nothing.
    But an image of 122 bytes where 60 MiB are listed is a doubt, and a doubt asks for more than a look at the indexes.
    """
    if not listed_bytes or listed_bytes < 0:
        return False
    return not listed_bytes / 2 - _MIB <= size_bytes <= 2 * listed_bytes + _MIB


# -- the first bytes ---------------------------------------------------------------------------------------------------


class WrongBody(msgspec.Struct, frozen=True):
    """The body is not the file that was asked for."""

    what: str
    page: bool
    """A page or message, and not a file that is damaged at its beginning."""
    """html, xml, json, pdf, gzip, zip, text or binary."""
    login: bool
    """A page that wants a login, or a message that refuses the signature: the link has expired, or was never good."""
    maintenance: bool
    """A page that speaks of maintenance: the host is down for a while."""
    first_line: str
    """What it says, one line for a person: at most 200 printable characters, links and long codes masked."""


_WHITESPACE = b" \t\r\n\f"
_PRINTABLE = bytes(range(32, 127)) + _WHITESPACE
_CONTROLS = bytes(set(range(32)) - set(_WHITESPACE))
_PAGES = frozenset({"html", "xml", "json"})
_NEVER_A_PRODUCT = frozenset({"html", "xml", "json", "pdf"})

# `re` compiles these when they are first used: most runs need none of them.
_HTML = rb"(?i)<!doctype\s+html|<(?:html|head|body|title|script|meta|center)\b"
_ROOT = rb"(?s)\s*(?:(?><\?.*?\?>|<!--.*?-->|<!(?!--)[^>]*>)\s*)*<([A-Za-z_][\w.:-]*)"
_ERROR_ROOTS = frozenset({b"error", b"errors", b"errorresponse", b"fault", b"envelope", b"response", b"exception"})
_FIRST_KEY = rb'\s*\{\s*"([^"]{0,40})"'
_ERROR_KEYS = rb"(?i)err|message|detail|fault|status$|code$|request_?id|session|^version$"

_LOGIN = r"(?i)\blog[ -]?in\b|\bsign[ -]?in\b|registration system|ers\.cr\.usgs\.gov|password"
_LINK_REFUSED = (
    r"(?i)signature|access ?denied|(?<!certificate )(?<!certificate has )\bexpired|expired ?token|invalid ?token"
    r"|\bunauthori[sz]ed|\bnot authori[sz]ed"
)
# "Temporarily unavailable" is the usual title of any 503 page, and Apache's text guesses at maintenance or overload.
_GUESS = r"(?i)maintenance\s+downtime\s+or\s+capacity\s+problems"
_MAINTENANCE = (
    r"(?i)maintenance|outage window|\b(?:scheduled|planned)\s+(?:\w+\s+){0,2}(?:outage|downtime|upgrade)"
    r"|temporarily (?:disabled|offline)|be back (?:soon|shortly|online|at\b)"
)
_SAID_IN_TAG = r"(?is)<(title|h1|message|code)\b[^>]*>\s*([^<]*)"
_SAID_IN_JSON = r'(?i)"(?:error_?)?(?:message|description|detail|error)"\s*:\s*"((?:[^"\\]|\\.){1,400})'
_TAGS = r"(?is)<(script|style)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)|<[^>]*(?:>|$)"


def speaks_of_maintenance(text: str) -> bool:
    """Tell a page that announces maintenance from one that only says that the server is down."""
    return re.search(_MAINTENANCE, re.sub(_GUESS, "", text)) is not None


def sniff(kind: FileKind, head: bytes, content_type: str | None) -> WrongBody | None:
    """Return what is wrong with a body, judged by its first bytes; None when nothing speaks against it.

    `head` should be the first `HEAD_BYTES`, or all of a shorter body. What is too short to decide passes:
    the byte count and the proof of the finished file see to it.
    """
    head = head[:_MOST_LOOKED_AT_BYTES].removeprefix(b"\xef\xbb\xbf")
    traits = kind.traits
    start = head.lstrip(_WHITESPACE) if traits.format == "text" else head[traits.magic_at :]
    if (traits.magic and start.startswith(traits.magic)) or (traits.begins is not None and traits.begins(head)):
        return None
    what = _format_of(head)
    if what is None and _can_still_be(kind, head):
        what = _format_of_content_type(content_type)
        if what is None or what == traits.format:
            return None
    if what == traits.format and not _is_error(kind, head):
        return None
    if kind is FileKind.OTHER and what not in _NEVER_A_PRODUCT:
        return None
    text = head.decode("utf-8", "replace") if _is_text(head) else ""
    return WrongBody(
        what=what or ("text" if text else "binary"),
        page=what in _PAGES or (what is None and bool(text) and traits.format == "binary"),
        login=(re.search(_LOGIN, text) or re.search(_LINK_REFUSED, text)) is not None,
        maintenance=speaks_of_maintenance(text),
        first_line=what_it_says(text),
    )


def _can_still_be(kind: FileKind, head: bytes) -> bool:
    """Tell whether a head without magic number may still be of the kind: too short, or a kind without one."""
    traits = kind.traits
    if traits.magic_at:
        return len(head) < traits.magic_at + len(traits.magic[0])
    start = head.lstrip(_WHITESPACE) if traits.format != "binary" else head
    return not start or kind is FileKind.OTHER or any(magic.startswith(start) for magic in traits.magic)


def _format_of(head: bytes) -> str | None:
    """Name a format that is recognised and is none of the image formats."""
    for magic, what in ((b"%PDF", "pdf"), (b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip")):
        if head.startswith(magic):
            return what
    start = head.lstrip(_WHITESPACE)
    if start.startswith((b"{", b"[")):
        return "json"
    if _is_text(head) and re.search(_HTML, head):
        return "html"
    return "xml" if start.startswith(b"<") else None


def _format_of_content_type(content_type: str | None) -> str | None:
    essence = (content_type or "").split(";")[0].strip().lower()
    if essence in ("text/html", "application/xhtml+xml"):
        return "html"
    if essence in ("application/json", "application/problem+json"):
        return "json"
    return "xml" if essence in ("application/xml", "text/xml") else None


def _is_error(kind: FileKind, head: bytes) -> bool:
    """Tell an error message in XML or JSON from a metadata file in the same format."""
    if kind is FileKind.XML:
        root = re.match(_ROOT, head)
        return root is not None and root[1].rpartition(b":")[2].lower() in _ERROR_ROOTS
    key = re.match(_FIRST_KEY, head)
    return key is not None and re.search(_ERROR_KEYS, key[1]) is not None


def _is_text(head: bytes) -> bool:
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return b"\0" not in head and controls * 20 <= len(head)


def what_it_says(text: str) -> str:
    """Return what a web page, error document or text says first."""
    in_json = re.search(_SAID_IN_JSON, text)
    in_tag = next((found for found in re.finditer(_SAID_IN_TAG, text) if found[2].strip()), None)
    if in_json:
        return one_line(in_json[1])
    import html  # with all its entities: a page in place of a file is rare

    return one_line(html.unescape(in_tag[2] if in_tag else re.sub(_TAGS, "\n", text)))


def is_markup(data: bytes) -> bool:
    """Tell whether all bytes are a piece of a page or message in HTML, XML or JSON, wherever it begins."""
    is_text = data.isascii() and not data.translate(None, _PRINTABLE)
    return is_text and ((b"<" in data and b">" in data) or data.count(b'"') > 1)


def one_line(text: str) -> str:
    """Return the first line that says something: printable, 200 characters at most, links and codes masked."""
    lines = ("".join(char if char.isprintable() else " " for char in line) for line in re.split(r"[\r\n\f]", text))
    first = next((line.strip() for line in lines if line.strip()), "")[: 3 * _LONGEST_LINE]
    return " ".join(redact(first).split())[:_LONGEST_LINE]  # bodies echo the address that was asked for
