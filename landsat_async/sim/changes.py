"""What happens to an archive while it is served: products come, are processed anew, and go away."""

from __future__ import annotations

import datetime

import msgspec

from landsat_async.sim.archive import Archive
from landsat_async.sim.scenes import Product


class NewProduct(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A product to be added; days default to the day of the change."""

    sensor: str
    level: str
    path: int
    row: int
    acquired: datetime.date
    processed: datetime.date | None = None
    tier: str = "T1"
    cloud: float | None = 0.0
    storage: str = "ls"
    night: bool = False
    region: str = "CU"


class NewVersion(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A product that is processed anew, see `Archive.reprocess`."""

    display_id: str
    days: int = 30
    level: str | None = None
    tier: str | None = None
    keep_old: bool = False


class Changes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one call of the control API changes."""

    day: datetime.date | None = None
    """The day on which it happens; None = the days of the products themselves."""
    add: tuple[NewProduct, ...] = ()
    remove: tuple[str, ...] = ()
    """Display ids."""
    reprocess: tuple[NewVersion, ...] = ()


def change(archive: Archive, changes: Changes) -> dict[str, list[str]]:
    """Apply changes in the order add, reprocess, remove; return the display ids of each; of new versions the new ones.

    Raises:
        KeyError: there is no such product.
        ValueError: a product that cannot be.
    """
    done: dict[str, list[str]] = {"added": [], "reprocessed": [], "removed": []}
    for wanted in changes.add:
        processed = wanted.processed or changes.day or wanted.acquired
        values = {**msgspec.structs.asdict(wanted), "processed": processed, "ingested": changes.day}
        archive.add(product := Product(**values))
        done["added"].append(product.display_id)
    for version in changes.reprocess:
        new = archive.reprocess(**msgspec.structs.asdict(version), day=changes.day)
        done["reprocessed"].append(new.display_id)
    for display_id in changes.remove:
        archive.remove(display_id)
        done["removed"].append(display_id)
    return done
