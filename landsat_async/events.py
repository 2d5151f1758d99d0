"""What a run tells: typed facts, each the shape of one JSON line (contract, chapter 4).

`file` is always the path relative to the output directory, with forward slashes. Rendering is elsewhere.
"""

from typing import TypeAlias, get_args

from landsat_async.public import publish
from landsat_async.value import Value


class Searching(Value, frozen=True):
    """How far the search is; coalesced, for people only.

    Attributes:
        pages: Pages of search results that have come.
        scenes: Scenes on them; what is chosen may be less.
        choosing: The scenes are known, and their files are being chosen.
    """

    pages: int
    scenes: int
    choosing: bool = False


class Planned(Value, frozen=True):
    """Selection is done.

    Attributes:
        scenes: How many scenes are left after all filters.
        files: How many files are wanted; those that are here already count too.
        bytes_nominal: Sum of the listed sizes, in bytes; they are often rounded. Of windows about what comes by ranges.
        bytes_whole: The same if files came whole; None without windows.
    """

    scenes: int
    files: int
    bytes_nominal: int
    bytes_whole: int | None = None


class Requested(Value, frozen=True):
    """One portion was asked for.

    Attributes:
        label: Label at the service under which they were asked for.
        downloads: How many downloads the request named.
        available: How many can be fetched at once.
        preparing: How many the service has to prepare first.
        failed: How many it refused.
    """

    label: str
    downloads: int
    available: int
    preparing: int
    failed: int


class Ready(Value, frozen=True):
    """A file can be fetched now.

    Attributes:
        file: Path below the output folder.
    """

    file: str


class Started(Value, frozen=True):
    """A worker begins, or goes on at `offset_bytes`.

    Attributes:
        file: Path below the output folder.
        offset_bytes: Where it goes on; 0 = from the beginning.
        size_bytes: Exact size; None as long as the server has not given it.
    """

    file: str
    offset_bytes: int
    size_bytes: int | None


class Transferred(Value, frozen=True):
    """Progress of one file; coalesced, never a JSON line of its own.

    Attributes:
        file: Path below the output folder.
        position_bytes: Bytes of the file that are here.
        size_bytes: Exact size; None as long as the server has not given it.
    """

    file: str
    position_bytes: int
    size_bytes: int | None


class Progress(Value, frozen=True):
    """Progress of the whole run, at most one a second.

    Attributes:
        files_done: Files that are here and proven.
        files_total: Files that are wanted.
        bytes_done: Bytes of finished and running files.
        bytes_total: Nominal bytes of all files; None as long as a size is not known.
        rate_bytes_s: Bytes a second over the last seconds.
        files_preparing: Files that the service is still preparing.
        workers: Workers that are allowed to run at the moment (adapts to the line).
        staging_eta_s: When the last of them is likely to be ready, by what staging took before; None = no experience
            yet.
        files_failed: Files that this run cannot deliver.
        files_running: Files that are being fetched or verified now.
        files_ready: Files that can be fetched now, and wait for a worker.
        staging_for_s: Seconds for which the service has been preparing files; None = it prepares none.
        staging_limit_s: After so long a file that is still being prepared fails.
        next_look_s: Seconds until the service is asked again what is ready; None = that is not known.
        quota_s: Seconds until the account may ask for files again; None = it may.
        max_rate_bytes_s: `[download] max_rate`; 0 = no limit.
        hook: The hook that is being called, as "on_scene of <display id>" or "on_run"; "" = none.
        hook_for_s: Seconds for which it has been at work.
        hook_limit_s: After so long it is ended.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int | None
    rate_bytes_s: float
    files_preparing: int = 0
    workers: int = 0
    staging_eta_s: float | None = None
    files_failed: int = 0
    files_running: int = 0
    files_ready: int = 0
    staging_for_s: float | None = None
    staging_limit_s: float = 0.0
    next_look_s: float | None = None
    quota_s: float | None = None
    max_rate_bytes_s: int = 0
    hook: str = ""
    hook_for_s: float = 0.0
    hook_limit_s: float = 0.0


class Retrying(Value, frozen=True):
    """Something will be tried again.

    Attributes:
        file: None: the service or a host, not one file.
        reason: What went wrong, in a sentence.
        attempt: Tries so far without progress.
        wait_s: Seconds until the next try.
        topic: "staging", "quota" or "hook" for the waits that `Progress` tells as well; "" for all others.
    """

    file: str | None
    reason: str
    attempt: int
    wait_s: float
    topic: str = ""


class Verified(Value, frozen=True):
    """A file has its final name.

    Attributes:
        file: Path below the output folder.
        size_bytes: Size of the file.
        sha256: Hex digest of its bytes.
        proof: Level that was reached: length, structure, content or published.
        identity: What evidence there was that it is the file that it is named after: published, content, named or none.
    """

    file: str
    size_bytes: int
    sha256: str
    proof: str
    identity: str = "none"


class Skipped(Value, frozen=True):
    """A file is already here and proven.

    Attributes:
        file: Path below the output folder.
        reason: Why it was not fetched.
    """

    file: str
    reason: str


class Failed(Value, frozen=True):
    """A file, scene or band that this run cannot deliver.

    Attributes:
        file: Path below the output folder; for a scene or band, what the user named.
        reason: What happened.
        hint: What to do now; "" when the reason says it all.
    """

    file: str
    reason: str
    hint: str


class LeftOut(Value, frozen=True):
    """Something selected that some scenes lack, or a scene without a clear view of the area; counted nowhere.

    Attributes:
        what: Band or file group, as the user asked for it; or the display id of the scene.
        reason: Why it is not among the files.
        scenes: How many scenes lack it.
        example: Display id of one of them.
    """

    what: str
    reason: str
    scenes: int
    example: str


class Superseded(Value, frozen=True):
    """A newer version of a scene is here, and the files of the older one are put away.

    Attributes:
        old: Display id of the older version.
        new: Display id of the version that has taken its place.
        files: How many files of the older version this is about.
        action: "move" (to the folder superseded), "delete" or "keep".
    """

    old: str
    new: str
    files: int
    action: str


class Synced(Value, frozen=True):
    """The folder is as the search says; counts of scenes.

    Attributes:
        new: Scenes that were not here before, in no version.
        replaced: Older versions that a newer one has replaced.
        vanished: Scenes that the service does not list any more; their files stay. Known after a full search only.
        unchanged: Scenes that were here already.
    """

    new: int
    replaced: int
    vanished: int
    unchanged: int


class HookEnded(Value, frozen=True):
    """A hook of the user has ended; a failure is followed by `Failed` with the reason.

    Attributes:
        scene: Display id; None = the hook of the whole run.
        rc: Exit status, negative for a signal; None = it did not end in time.
        elapsed_s: How long it took.
    """

    scene: str | None
    rc: int | None
    elapsed_s: float


class Measured(Value, frozen=True):
    """The area in a scene, from QA_PIXEL; what is not known is None, all of it where the scene could not be measured.

    Attributes:
        scene: Display id of the scene.
        valid: Share of the area that has data, 0..1; None = not measured.
        cloud: Percent of the pixels with data that count as cloud (`[search] aoi_cloud_counts`); None = not measured,
            or none has data.
        shadow: Percent of them in the shadow of a cloud; None = not known, also because the sensor cannot.
        snow: Percent of them with snow; None = not known, also because the sensor cannot.
        pixels: Pixels of the area, those without data too; None = not measured.
    """

    scene: str
    valid: float | None
    cloud: float | None
    shadow: float | None
    snow: float | None
    pixels: int | None


class Notice(Value, frozen=True):
    """Talk for people: goes to stderr, never to JSON lines.

    Attributes:
        text: One sentence, without a line end.
        level: "info" or "warning".
    """

    text: str
    level: str = "info"


class Error(Value, frozen=True):
    """The run cannot go on.

    Attributes:
        reference: Word of the fault, as in the README.
        message: What happened.
        hint: What to do now; "" when the message says it all.
    """

    reference: str
    message: str
    hint: str


class Finished(Value, frozen=True):
    """Always last. files_total = files_verified + files_skipped + files_failed + files_pending.

    Attributes:
        files_total: Files that were wanted.
        files_verified: Fetched and proven by this run.
        files_skipped: Already here and proven.
        files_failed: Failed with a reason.
        files_pending: Left for the next run.
        bytes_received: Body bytes received from file hosts.
        elapsed_s: Seconds from start to end.
        exit_code: What the command line would end with.
    """

    files_total: int
    files_verified: int
    files_skipped: int
    files_failed: int
    files_pending: int
    bytes_received: int
    elapsed_s: float
    exit_code: int


Event: TypeAlias = (
    Searching
    | Planned
    | Requested
    | Ready
    | Started
    | Transferred
    | Progress
    | Retrying
    | Verified
    | Skipped
    | Failed
    | LeftOut
    | Superseded
    | Synced
    | HookEnded
    | Measured
    | Notice
    | Error
    | Finished
)

publish(*get_args(Event))
