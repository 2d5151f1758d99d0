"""How the simulated service behaves: knobs, and recipes for single answers that go wrong.

Everything here is plain data, so that another process can read and set it as JSON (`GET` and `POST /_sim/script`).
"""

from __future__ import annotations

import fnmatch
import random
import zlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]

ApiKind = Literal[
    "error",  # envelope with `code` and `message`; at HTTP `status` when that is given
    "status",  # HTTP `status` with `text` as a plain body and no envelope
    "html",  # maintenance page, at HTTP `status` or 200
    "login",  # login page in place of an envelope, at HTTP `status` or 200
    "empty",  # 200 without a body
    "cut-json",  # the true answer, cut at `fraction`, with the length of what is sent
    "cut",  # the true answer with its true length, connection closed at `fraction`
    "close-before",  # closed without an answer, before anything is done
    "close-after",  # the call is carried out, then closed without an answer
    "rst-before",
    "rst-after",
    "null-data",  # success with `data` null
    "data",  # success with `data` replaced by `value`
    "merge",  # members of `value` put over the true data
    "replace",  # every `text` in the JSON of the true answer becomes `value`
    "foreign-rows",  # rows of another client mixed into the lists of a download answer
    "wrong-types",  # numbers become strings, lists null, texts numbers, in the true data
    "huge",  # `bytes` of JSON white space before the true answer
    "deep",  # 100,000 nested lists
    "redirect",  # `status` or 302 to `text`
    "slow",  # the true answer after `seconds`
    "drip",  # the true answer, a byte every `seconds`
    "hang",  # no answer for `seconds`
    "doubled",  # the true answer, and the same bytes again after `seconds`
    "late",  # the true answer, and the same bytes again before the next answer on the connection
]

FileKind = Literal[
    "status",  # `status` with `text`; `headers` may carry Retry-After
    "html",
    "json",
    "xml",  # 200 with a page in place of the file
    "login",  # 200 with a login page
    "empty",  # 200, Content-Length: 0
    "no-content",  # 204
    "redirect",  # `status` or 302 to `text`, where {target} is its own; "" = to itself, "none" = no Location
    "close",  # closed before any answer
    "rst",  # reset before any answer
    "hang",  # nothing for `seconds`
    "cut",  # true length announced, FIN at `fraction`
    "cut-other",  # the same, and one bit of byte `bytes` of the file is wrong: early bytes of another version
    "cut-rst",  # true length announced, RST at `fraction`
    "cut-chunked",  # chunked, FIN at `fraction` without the last chunk
    "cut-close",  # no length, ended by FIN at `fraction`
    "cut-close-rst",  # no length, ended by RST at `fraction`
    "no-length",  # complete, ended by FIN
    "interim",  # `bytes` answers 103 first
    "then-close",  # complete and correct, then FIN without having said so
    "chunked",  # complete, chunked
    "too-long",  # `bytes` more than announced
    "two-lengths",  # two different Content-Length headers
    "length-and-chunked",  # Content-Length and Transfer-Encoding together
    "gzip",  # Content-Encoding: gzip
    "cut-gzip",  # the same, without length, ended by FIN at `fraction`
    "stall",  # nothing more for `seconds` after `fraction`
    "drip",  # `bytes` every `seconds` after `fraction`
    "flip",  # one bit of the body at `fraction` is wrong
    "error-text",  # after `fraction` an HTML error follows, then FIN
    "error-text-full",  # the same, up to the announced length
    "new-version",  # the file changes for good before this answer
    "ignore-range",  # 200 and everything, although a range was asked
    "range-rest",  # 200 with Content-Range and only the rest of the file
    "range-shifted",  # 206 with the right header, bytes from `bytes` further on
    "range-short",  # 206 with `bytes` of what was asked, correctly announced
    "range-no-header",  # 206 without Content-Range
    "range-wrong-start",
    "range-wrong-end",
    "range-wrong-total",
    "range-wrong-unit",
    "range-huge",  # numbers beyond 64 bits
    "range-star",  # Content-Range with total *
    "range-unasked",  # 206 to a request without Range
    "range-multipart",  # 206 multipart/byteranges
    "416",  # 416 with Content-Range: `text` ("equal", "smaller", "bigger", "absent" or literal)
    "etag",  # this answer carries `text` as its ETag ("" = none)
    "wrong-name",  # Content-Disposition names `text` ("" = header absent)
    "other-body",  # the content of the file `text` under the name that was asked for
    "empty-image",  # a TIFF of which no strip is stored
    "headers",  # `headers` are added
    "doubled",  # the true answer, and the same bytes again after `seconds`
    "late",  # the true answer, and the same bytes again before the next answer on the connection
    "swapped",  # the true answer to a request for the file `text`, its name included
    "raw",  # exactly `text` (latin-1, escapes done by JSON), then FIN
]

Status = Annotated[int, Meta(ge=100, le=999)]


class _Recipe(msgspec.Struct, kw_only=True):
    times: Count | None = 1
    """For so many requests; null = for ever."""
    skip: Count = 0
    """So many matching requests pass first."""
    probability: Share = 1.0
    """Share of the matching requests that are hit; decided by the script's seed, not by chance."""
    status: Status | None = None
    text: str = ""
    headers: dict[str, str] = {}
    fraction: Share = 0.5
    at_bytes: Count | None = None
    """Place in the body, in place of `fraction`."""
    seconds: Seconds = 3600.0
    bytes: Count = 1
    seen: Count = 0
    """Matching requests so far."""
    served: Count = 0
    """How often it was applied."""

    def place(self, length: int) -> int:
        """Return where in a body of this length the recipe acts."""
        return int(length * self.fraction) if self.at_bytes is None else min(self.at_bytes, length)

    def take(self, seed: int) -> bool:
        """Count a matching request and say whether it is to be hit."""
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.served >= self.times):
            return False
        if self.probability < 1 and random.Random(seed * 1_000_003 + self.seen).random() >= self.probability:
            return False
        self.served += 1
        return True


class ApiFault(_Recipe, kw_only=True):
    """A recipe for answers of the API."""

    kind: ApiKind
    endpoint: str = "*"
    """Endpoint or pattern."""
    code: str = "SERVER_ERROR"
    message: str = "The service has failed on purpose"
    value: Any = None


class FileFault(_Recipe, kw_only=True):
    """A recipe for answers of the file hosts."""

    kind: FileKind
    file: str = "*"
    """File name or pattern."""
    host: str = "*"
    """landsatlook, dds or a pattern."""
    ranged: bool | None = None
    """true: only requests with Range; false: only those without."""


class Script(msgspec.Struct, kw_only=True):
    """All that can be set. The values here are those of a healthy service."""

    seed: int = 0
    """Decides everything that looks like chance."""

    # Account
    roles: tuple[str, ...] = ("user", "download", "order")
    """Without "download" the download endpoints answer `role_error`."""
    role_error: str = "AUTH_UNAUTHROIZED"
    key_lifetime_s: Seconds = 7200.0
    """A key dies after so long without a call."""
    one_key: bool = False
    """true: a login kills the older keys."""
    overlap: Literal["refuse", "allow"] = "refuse"
    """What happens to a second call while one is under way: RATE_LIMIT_USER, or nothing."""
    latency_s: Seconds = 0.002
    """Shortest time of an API call; only a call that takes time can be overlapped."""
    status_mode: Literal["ok", "matching"] = "ok"
    """HTTP status of an error envelope: 200, or 4xx."""
    recent_limit: Count = 15_000
    recent_window_s: Seconds = 900.0
    """No more than `recent_limit` downloads may be requested in the window."""
    over_limit: Literal["whole", "part"] = "whole"
    """A request beyond `recent_limit` is refused as a whole, or what is too much of it stands in `failed`."""
    pending_limit: Count = 20_000
    unattempted_limit: Count = 20_000
    retry_after: str | None = None
    """Retry-After header of RATE_LIMIT answers, which are then 429."""

    # Search
    cloud_cover: Literal["number", "int", "string"] = "int"
    unknown_cloud: Literal["null", "-1", "absent"] = "null"
    default_metadata: Literal["empty", "summary"] = "empty"
    footprints: Literal["all", "none", "invalid"] = "all"
    hits: Literal["true", "more", "fewer"] = "true"
    """totalHits: right, or wrong by a tenth."""
    next_record: Literal["real", "null", "zero", "same"] = "real"
    repeat_pages: bool = False
    """true: every page is the first one."""
    page_shift: Count = 0
    """So many rows move on between two pages, as if scenes had come in meanwhile."""
    filter_limit_bytes: Count = 100_000
    """A longer spatial filter is answered by 404."""
    child_filters_limit: Count = 10_000
    """A metadata filter with more children is answered by 404."""
    id_filters: Literal["found", "nothing"] = "found"
    """Whether metadata filters on product and scene identifiers find their scenes, or nothing without an error."""
    list_unknown: Literal["kept", "dropped", "refused"] = "kept"
    """Ids that no scene has, in scene-list-add: kept and flagged, left out, or the whole call is refused."""
    list_count: Literal["added", "total", "submitted"] = "added"
    """What scene-list-add counts."""
    list_display_ids: bool = True
    """false: display ids in a scene list lead to nothing."""
    metadata_list: Literal["all", "nothing", "first"] = "all"
    """scene-metadata-list gives all scenes of the list, none, or only the first one."""
    order_only: tuple[str, ...] = ()
    """Patterns of display ids of scenes that have to be ordered: nothing of them can be downloaded."""
    withheld: tuple[str, ...] = ()
    """Datasets, retired ones too, that this account may not use: DATASET_AUTH."""

    # Answers of the API
    session_id: bool = False
    version_null: bool = False
    ids: Literal["int", "string"] = "int"
    """downloadId as a number or as text."""
    empty_map: Literal["list", "object", "null"] = "list"
    missing: tuple[str, ...] = ()
    """Members left out of every object of `data`, e.g. "entityId", "remainingLimits"."""

    # Downloads
    secondary_rows: Literal["one", "both"] = "one"
    """Single files are listed for the system that has them, or for both systems."""
    sizes: Literal["nominal", "zero", "null", "negative", "huge"] = "nominal"
    unavailable: tuple[str, ...] = ()
    """Download systems, or patterns of display ids, whose products are listed but cannot be requested."""
    disabled_systems: tuple[str, ...] = ()
    """Download systems whose items are refused as temporarily disabled (ls_zip, ls_s3, dds, dds_ms ...)."""
    disabled_files: tuple[str, ...] = ()
    """Patterns of file names that are refused as temporarily disabled, while others of their system are given."""
    failed_rows: Literal["full", "message", "absent"] = "full"
    """What an item of `failed` tells: ids and message, only the message, or it is not there at all."""
    indiscreet: tuple[str, ...] = ()
    """Patterns of file names that are refused with a message that quotes a signed link and the contact id."""
    refuse: tuple[str, ...] = ()
    """Patterns of entity ids with which a whole download-request fails with SERVER_ERROR."""
    duplicates: Literal["only-listed", "also-listed", "proxied-never", "never"] = "proxied-never"
    """Items requested again while still active: (only-listed) named in duplicateProducts alone;
    (also-listed) there and in available or preparing; (proxied-never) new downloads for landsatlook,
    only-listed for dds; (never) always new."""
    duplicates_scope: Literal["account", "label"] = "account"
    staging_polls: Count = 1
    """Looks at a staged item until it is ready: download-retrieve, a repeated request, a try of its staging link."""
    staging_s: Seconds = 0.0
    """Time until a staged item is ready; both conditions must hold."""
    staging_share: Share = 1.0
    """Share of the staged items that get ready at each poll after that."""
    staging_never: tuple[str, ...] = ()
    """Patterns of file names that stay in preparation for ever."""
    staging_fails: tuple[str, ...] = ()
    """Patterns of file names whose staging ends with status F."""
    staging_answer: Literal["404", "503", "html", "no-length", "empty"] = "404"
    """What a staging link answers before the file is there."""
    staging_url: Literal["null", "absent", "staging"] = "null"
    """Url of items that download-retrieve shows as staging: null, no such member, or the staging link."""
    proxied_list: Literal["requested", "available", "both"] = "requested"
    """Where download-retrieve shows proxied items (always with a url)."""
    staged_list: Literal["available", "requested", "both"] = "available"
    """Where download-retrieve shows ready items of dds."""
    hidden: tuple[str, ...] = ()
    """Patterns of file names that download-retrieve does not show (download-search does)."""
    retrieve_lag_polls: Count = 0
    """download-retrieve calls that still return nothing of a new request."""
    labels_mix: bool = False
    """true: download-retrieve ignores the label and returns the whole account."""

    # Links
    link_lifetime_s: Seconds | None = None
    """Age at which a link dies; null = never."""
    link_uses: Count | None = None
    """Answers with a body that a link gives; null = any number."""
    refuse_first_links: Count = 0
    """So many links of each file are dead from the beginning; later ones work."""
    expired_answer: Literal["403", "401", "410", "login-page", "html", "json"] = "403"
    exact_links: bool = False
    """true: a link works only byte for byte as it was given, percent signs included."""

    # File hosts
    ranges: bool = True
    """false: ranges are ignored."""
    etag: Literal["strong", "weak", "none", "changing"] = "strong"
    last_modified: Literal["old", "fresh", "none"] = "old"
    if_range: Literal["honoured", "ignored", "never"] = "honoured"
    """never: 200 whenever If-Range is an entity tag."""
    disposition: bool = True
    """false: answers do not name the file."""
    links_to: dict[str, str] = {}
    """File -> another file, whose link is handed out in its place."""
    stac_items: Literal["open", "signed", "none"] = "open"
    """STAC items with checksums: in a public catalogue, only in the folders of the files (a link of a neighbour opens
    them), or not at all."""
    max_connections: Count | None = None
    """Transfers at one time on a host; one more is answered by 503."""
    rate_bytes_s: Count | None = None
    """Bytes per second of one connection."""
    busy: dict[str, int] = {}
    """Host (m2m, landsatlook, dds) -> HTTP status that it answers everything with."""

    api_faults: list[ApiFault] = []
    file_faults: list[FileFault] = []

    @property
    def reshapes(self) -> bool:
        """Whether every object of an answer is changed."""
        return self.ids != "int" or bool(self.missing)

    def fault_api(self, endpoint: str, kind: ApiKind, **settings: Any) -> ApiFault:
        """Add a recipe for calls of an endpoint (pattern) and return it; its `served` counts."""
        fault = msgspec.convert({"endpoint": endpoint, "kind": kind, **settings}, ApiFault)
        self.api_faults.append(fault)
        return fault

    def fault_file(self, file: str, kind: FileKind, **settings: Any) -> FileFault:
        """Add a recipe for files whose name matches and return it; its `served` counts."""
        fault = msgspec.convert({"file": file, "kind": kind, **settings}, FileFault)
        self.file_faults.append(fault)
        return fault

    def api_fault(self, endpoint: str) -> ApiFault | None:
        """Take the first recipe that hits this call."""
        return next(
            (f for f in self.api_faults if fnmatch.fnmatchcase(endpoint, f.endpoint) and f.take(self.seed)), None
        )

    def file_fault(self, host: str, name: str, *, ranged: bool) -> FileFault | None:
        """Take the first recipe that hits this transfer."""
        for fault in self.file_faults:
            fits = fnmatch.fnmatchcase(name, fault.file) and fnmatch.fnmatchcase(host, fault.host)
            if fits and fault.ranged in (None, ranged) and fault.take(self.seed ^ zlib.crc32(name.encode())):
                return fault
        return None

    def change(self, patch: dict[str, Any]) -> None:
        """Set the members that `patch` names; raises msgspec.ValidationError and changes nothing on a bad value."""
        unknown = sorted(set(patch) - set(self.__struct_fields__))
        if unknown:
            raise msgspec.ValidationError(f"no such knob: {', '.join(unknown)}")
        new = msgspec.convert({**msgspec.to_builtins(self), **patch}, Script)
        for name in patch:
            setattr(self, name, getattr(new, name))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a name fits one of the patterns."""
    return bool(patterns) and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
