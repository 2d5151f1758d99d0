"""Reading a list of scene ids that the user has named."""

from __future__ import annotations

from landsat_async.rules.scene_list_text import SceneList, read_scene_list
from landsat_async.user_files import Unreadable, near_name, read_user_file, text_of

BYTES_MAX = 64 * 1024**2
IDS_MAX = 50_000


def read_scenes_file(path: str) -> SceneList:
    """Return the ids of a file.

    Raises:
        ValueError: it cannot be read, or holds something else; the text follows the name of the file.
    """
    try:
        body = read_user_file(path, BYTES_MAX)
    except FileNotFoundError:
        raise ValueError(f"there is no such file{near_name(path)}") from None
    except Unreadable as error:
        raise ValueError(str(error)) from None
    return scene_list_of(body)


def scene_list_of(body: bytes) -> SceneList:
    """Return the ids of what was read. Raises ValueError."""
    if len(body) > BYTES_MAX:
        raise ValueError(f"is larger than {BYTES_MAX // 1024**2} MiB; this is not a list of scenes")
    try:
        text = text_of(body)
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # as EarthExplorer writes its CSV
    found = read_scene_list(text)
    if len(found.ids) > IDS_MAX:
        raise ValueError(f"holds {len(found.ids):,} ids; at most {IDS_MAX:,} are taken")
    return found
