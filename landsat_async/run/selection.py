"""Which files of the kept scenes: bundle, band, band_group, product or all; each file once, with every route to it.

What the service lists has traps. A scene has two bundle rows, one for each storage system, and which of them
can be had depends on its age. The same list of single files hangs under every row. Folders and browse images
look like products. And "B1" is part of "B10". So rows are distinguished by what they are, files are known by
their names, and a band is compared with the whole of what follows the product id.

What was selected and cannot be had is reported by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from operator import attrgetter

import msgspec

from landsat_async.config_tables import SelectConfig
from landsat_async.errors import ConfigError
from landsat_async.m2m.replies import ProductOption, SecondaryFile
from landsat_async.model import MEASURE, Route, Scene, Unavailable, WantedFile
from landsat_async.rules.bands import BANDS, Kind, bands_of, kind_of, lacks, stem_of, title_of
from landsat_async.rules.clouds import QA_FOLDER, QA_SUFFIX
from landsat_async.rules.naming import UnsafeName, bundle_name, layout_folder, planned_name, safe_name, shown
from landsat_async.rules.product_id import is_level_scene
from landsat_async.run.products import Several, chosen_products, is_bundle, several_of
from landsat_async.value import Value

_NOT_NOW = "USGS does not offer it at the moment"
_LATER = "Run again later; products move between storage systems."
_TILES = 'Cut the single bands: type = "band" in place of "bundle"; or fetch the products whole: window = "off".'
_AVAILABLE = attrgetter("available")
_SIZE = attrgetter("bytes_nominal")
_METADATA = "mtl.txt"
"""What comes with chosen bands when `metadata` is on."""


class Lacking(Value, frozen=True):
    """A band or file group that some scenes do not have."""

    name: str
    """As the user wrote it."""
    scenes: int
    example: str
    """Display id of the first of them."""
    known: str
    """What that scene has in its place, for people."""
    sensor: str = ""
    """The sensor and level that has no such band; "" where only these scenes lack it (L2SR has no ST_B10)."""


class Selection(Value, frozen=True):
    """What will be requested, and what cannot be."""

    files: tuple[WantedFile, ...]
    unavailable: tuple[Unavailable, ...]
    unmatched_bands: tuple[str, ...] = ()
    """Bands (or file groups) that none of these scenes has; scenes of another batch may have them."""
    complete: frozenset[str] = frozenset()
    """Display ids of scenes of which everything that was requested is among the files."""
    lacking: tuple[Lacking, ...] = ()
    """Bands (or file groups) that scenes of this batch do not have: L2SR has no ST_B10, LO08 no thermal band."""
    to_measure: Mapping[str, WantedFile] = msgspec.field(default_factory=dict)
    """Display id -> QA_PIXEL, where scenes are measured before they are fetched and can be."""


class _Single(msgspec.Struct):
    """One single file of a scene, under all its product ids."""

    name: str
    suffix: str
    """What follows the product id: SR_B3.TIF."""
    offers: list[SecondaryFile]

    @property
    def stem(self) -> str:
        """The band name: what follows the product id, without the ending."""
        return stem_of(self.suffix)

    @property
    def groups(self) -> set[str]:
        return {group for offer in self.offers for group in offer.file_groups or ()}


class _Chosen(msgspec.Struct):
    """The selection while it grows."""

    folder: str = ""
    """Of the files of the scene that it grows by now, from the layout template."""
    files: list[WantedFile] = msgspec.field(default_factory=list)
    unavailable: list[Unavailable] = msgspec.field(default_factory=list)
    lacking: dict[tuple[str, str], Lacking] = msgspec.field(default_factory=dict)
    several: Several = msgspec.field(default_factory=Several)

    def add(self, scene: Scene, name: str, kind: str, routes: list[Route], sizes: Iterable[int | None],
            group_dataset: str | None = None, file_groups: tuple[str, ...] = ()) -> None:  # fmt: skip
        routes = sorted(routes, key=_AVAILABLE, reverse=True)  # which leaves equal ones in their order
        if not routes or not routes[0].available:
            self.unavailable.append(Unavailable(name, _NOT_NOW, _LATER))
            return
        size = None
        for listed in sizes:
            if listed is not None and listed > 0:
                size = listed
                break
        ids = scene.entity_id, scene.display_id
        file = WantedFile(name, *ids, kind, tuple(routes), size, self.folder, group_dataset, file_groups)
        self.files.append(file)

    def refuse(self, name: str, reason: str, hint: str = "") -> None:
        self.unavailable.append(Unavailable(shown(name), reason, hint))

    def lack(self, scene: Scene, name: str, known: str) -> None:
        kind = kind_of(scene.display_id)
        sensor = title_of(kind) if kind is not None and lacks(name, kind) else ""
        before = self.lacking.setdefault((name, sensor), Lacking(name, 0, scene.display_id, known, sensor))
        self.lacking[name, sensor] = replace(before, scenes=before.scenes + 1)


def choose(
    scenes: Sequence[Scene], options: Sequence[ProductOption], select: SelectConfig, *, layout: str = ""
) -> Selection:
    """Choose the files of `scenes` among what `download-options` offers.

    Raises:
        ConfigError: when two files would get one name, or a scene has several products and nobody has chosen.
    """
    by_scene: dict[str, list[ProductOption]] = {}
    for option in options:
        by_scene.setdefault(option.entity_id, []).append(option)
    chosen = _Chosen()
    wanted = (
        select.bands
        if select.cuts_bundles
        else {"band": select.bands, "band_group": select.file_groups, "product": select.products}.get(select.type, ())
    )
    matched: set[str] = set()
    complete: set[str] = set()
    for scene in scenes:
        missing, files = len(chosen.unavailable), len(chosen.files)
        try:
            safe_name(scene.display_id)
            chosen.folder = layout_folder(layout, scene)
        except UnsafeName as error:
            chosen.refuse(scene.display_id, str(error), "Nothing of this scene is fetched.")
            continue
        rows = by_scene.get(scene.entity_id, [])
        if select.type in ("bundle", "all") and not select.cuts_bundles:
            _add_bundle(chosen, scene, rows)
        if select.type == "product":
            hits = _add_products(chosen, scene, rows, select.products)
        elif select.cuts_bundles:
            hits = _add_members(chosen, scene, rows, select)
        else:
            hits = set() if select.type == "bundle" else _add_singles(chosen, scene, rows, select, wanted)
        matched |= hits
        least = 2 if select.type == "all" else 1
        if len(chosen.unavailable) == missing and len(chosen.files) >= files + least and hits.issuperset(wanted):
            complete.add(scene.display_id)
    chosen.several.refuse()
    unmatched = tuple(name for name in wanted if name not in matched) if scenes else ()
    once = _each_once(chosen.files)
    if len(once) < len(chosen.files):
        complete.clear()  # a file of one scene stands for that of another
    gone, lacking = tuple(dict.fromkeys(chosen.unavailable)), tuple(chosen.lacking.values())
    return Selection(once, gone, unmatched, frozenset(complete), lacking)


def _add_members(chosen: _Chosen, scene: Scene, rows: list[ProductOption], select: SelectConfig) -> set[str]:
    """Add the members of a bundle that are wanted, all with the routes of the bundle; return the bands that it has.

    The bundle comes once for all of them: the first carries its size.
    """
    if not is_level_scene(scene.display_id):  # they have several products, and what is in which only USGS knows
        chosen.refuse(scene.display_id, "windows are cut from bundles of Level 1 and 2 scenes only", _TILES)
        return set(select.bands)  # else they would be told as bands that nobody has
    bundle = _Chosen(chosen.folder, several=chosen.several)
    _add_bundle(bundle, scene, rows)
    chosen.unavailable += bundle.unavailable
    if not bundle.files:
        return set()
    (whole,) = bundle.files
    singles = _singles(scene, rows) or _usual_members(scene)
    by_band = SelectConfig(type="band", bands=select.bands)
    taken = _taken(singles, by_band, kind_of(scene.display_id))
    if select.metadata and taken:
        with_them = [single for single in singles if single.suffix.casefold() == _METADATA]
        taken += [(single, set(), ()) for single in with_them if all(single is not one for one, _, _ in taken)]
    matched = set[str]().union(*(hits for _, hits, _ in taken))
    size = whole.bytes_nominal
    for single, _, _ in taken:
        if not _is_safe(single.name):
            chosen.refuse(single.name, "it is not a plain file name")
            continue
        chosen.files.append(replace(whole, name=single.name, bytes_nominal=size))
        size = 0
    for name in select.bands:
        if name not in matched:
            chosen.lack(scene, name, _what_it_has(singles, by_band))
    return matched


def _usual_members(scene: Scene) -> list[_Single]:
    """Return what bundles of a sensor hold, for scenes of which no single files are listed."""
    kind = kind_of(scene.display_id)
    bands = BANDS[kind] if kind is not None else ()
    suffixes = [*(f"{band.stem}.TIF" for band in bands), "ANG.txt", "MTL.txt", "MTL.xml", "MTL.json"]
    return [_Single(f"{scene.display_id}_{suffix}", suffix, []) for suffix in suffixes]


def _add_bundle(chosen: _Chosen, scene: Scene, rows: list[ProductOption]) -> None:
    bundles = [row for row in rows if row.display_id == scene.display_id and is_bundle(row)]
    if not bundles:
        newer = sorted({row.display_id for row in rows if row.display_id != scene.display_id and is_bundle(row)})
        hint = f"USGS offers it now as {shown(newer[-1])}; run again." if newer else "Single files may still be there."
        chosen.refuse(bundle_name(scene.display_id), "USGS lists no product bundle for this scene", hint)
        return
    # Rows of another name would be another product, not another way to this one.
    if several := several_of(bundles):
        chosen.several.note(several)
        return
    product = min(bundles, key=lambda row: ("product bundle" not in row.product_name.lower(), not row.available))
    alike = [row for row in bundles if row.product_name == product.product_name]
    if not is_level_scene(scene.display_id):  # whether it is a tar, only the host can tell
        chosen.add(scene, planned_name(scene.display_id, product.product_name), "product", *_ways(alike))
        return
    chosen.add(scene, bundle_name(scene.display_id), "bundle", *_ways(alike))


def _ways(rows: Iterable[ProductOption]) -> tuple[list[Route], list[int | None]]:
    """Routes to one product, and the sizes that are listed for it, those that can be had first."""
    alike = {row.product_id: row for row in rows}.values()
    routes = [Route(row.entity_id, row.product_id, row.system, row.available) for row in alike]
    return routes, [row.bytes_nominal for row in sorted(alike, key=lambda row: not row.available)]


def _add_products(chosen: _Chosen, scene: Scene, rows: list[ProductOption], patterns: Sequence[str]) -> set[str]:
    """Add the products that were chosen by name; return the patterns that have a product."""
    own = [row for row in rows if row.display_id == scene.display_id]
    if not patterns:
        chosen.several.note(own)
        return set()
    matched: set[str] = set()
    for alike, hits in chosen_products(own, patterns):
        matched |= hits
        chosen.add(scene, planned_name(scene.display_id, alike[0].product_name), "product", *_ways(alike))
    for pattern in patterns:
        if own and pattern not in matched:
            names = sorted({shown(row.product_name) for row in own})
            chosen.lack(scene, pattern, f"It has: {', '.join(names)}.")
    if not own:
        chosen.refuse(scene.display_id, "USGS lists no products for this scene", _LATER)
    return matched


def qa_files(scenes: Sequence[Scene], options: Sequence[ProductOption]) -> dict[str, WantedFile]:
    """Return the QA_PIXEL of each scene (by display id) that offers one, as it is wanted for its figure alone."""
    by_scene: dict[str, list[ProductOption]] = {}
    for option in options:
        by_scene.setdefault(option.entity_id, []).append(option)
    found = {}
    for scene in scenes:
        for single in _singles(scene, by_scene.get(scene.entity_id, [])):
            if single.suffix.upper() != QA_SUFFIX or not _is_safe(single.name):
                continue
            routes = [Route(one.entity_id, one.product_id, one.system, one.available) for one in single.offers]
            if any(route.available for route in routes):
                routes.sort(key=lambda route: not route.available)
                size = next((one.bytes_nominal for one in single.offers if one.bytes_nominal), None)
                ids = scene.entity_id, scene.display_id
                found[scene.display_id] = WantedFile(single.name, *ids, MEASURE, tuple(routes), size, QA_FOLDER)
    return found


def _is_safe(name: str) -> bool:
    try:
        safe_name(name)
    except UnsafeName:
        return False
    return True


def _singles(scene: Scene, rows: list[ProductOption]) -> list[_Single]:
    """The single files of a scene: every name once, in the order listed."""
    found: dict[str, _Single] = {}
    seen: set[tuple[str, str]] = set()
    display_id, length = scene.display_id, len(scene.display_id)
    product_id = display_id.casefold()
    for listed in {id(row.secondary): row.secondary for row in rows}.values():
        for offer in listed:
            key = (offer.entity_id, offer.product_id)
            if key in seen or offer.system == "folder":
                continue
            seen.add(key)
            name = offer.display_id
            single = found.get(name)
            if single is None:
                begins = len(name) > length and (name.startswith(display_id) or name[:length].casefold() == product_id)
                single = found[name] = _Single(name, name[length:].lstrip("_") if begins else name, [])
            single.offers.append(offer)
    return list(found.values())


def _add_singles(
    chosen: _Chosen, scene: Scene, rows: list[ProductOption], select: SelectConfig, wanted: Sequence[str]
) -> set[str]:
    """Add the files of one scene and note which of the `wanted` bands or groups it lacks; return those that it has."""
    singles = _singles(scene, rows)
    matched: set[str] = set()
    before = len(chosen.files), len(chosen.unavailable)
    taken = _taken(singles, select, kind_of(scene.display_id))
    if select.metadata and taken and select.type != "all":  # a scene that has none of the bands needs none of it
        with_them = [single for single in singles if single.suffix.casefold() == _METADATA]
        taken += [(single, set(), ()) for single in with_them if all(single is not one for one, _, _ in taken)]
    for single, hits, groups in taken:
        matched |= hits
        _add_single(chosen, scene, single, groups)
    if select.type == "all":
        return matched  # the bundle has the same files
    if not singles:
        chosen.refuse(scene.display_id, "USGS lists no single files for this scene", _LATER)
    elif not wanted and before == (len(chosen.files), len(chosen.unavailable)):
        chosen.refuse(scene.display_id, "it has no file groups", _what_it_has(singles, select))
    else:
        for name in wanted:
            if name not in matched:
                chosen.lack(scene, name, _what_it_has(singles, select))
    return matched


def _what_it_has(singles: list[_Single], select: SelectConfig) -> str:
    if select.type == "band":
        names = {single.stem for single in singles}
    else:
        names = set[str]().union(*(single.groups for single in singles))
    return f"It has: {', '.join(sorted(names)) or 'none'}."


def _taken(
    singles: list[_Single], select: SelectConfig, kind: Kind | None
) -> list[tuple[_Single, Set[str], tuple[str, ...]]]:
    """Return the files that are selected, what selected them, and the groups to ask for them by."""
    taken: list[tuple[_Single, Set[str], tuple[str, ...]]] = []
    for single in singles:
        if select.type == "all":
            taken.append((single, set(), ()))
        elif select.type == "band":
            if hits := bands_of(single.suffix, select.bands, kind):
                taken.append((single, hits, ()))
        elif groups := single.groups & set(select.file_groups) if select.file_groups else single.groups:
            taken.append((single, groups, tuple(sorted(groups))))
    return taken


def _add_single(chosen: _Chosen, scene: Scene, single: _Single, groups: tuple[str, ...]) -> None:
    try:
        safe_name(single.name)
    except UnsafeName as error:
        chosen.refuse(single.name, str(error))
        return
    offers = single.offers
    if groups:
        offers = [offer for offer in offers if set(groups) & set(offer.file_groups or ())]
    routes = [Route(offer.entity_id, offer.product_id, offer.system, offer.available) for offer in offers]
    dataset = next((offer.dataset_id for offer in offers if offer.dataset_id), None) if groups else None
    chosen.add(scene, single.name, "file", routes, map(_SIZE, offers), dataset, groups)


def _each_once(files: Iterable[WantedFile]) -> tuple[WantedFile, ...]:
    """Drop a file that is listed under two scenes, and refuse two different files of one name.

    They would overwrite each other, also where they differ in case only: many file systems do not tell.
    """
    taken: dict[str, WantedFile] = {}
    for file in files:
        other = taken.setdefault(file.relpath.casefold(), file)
        if other is file:
            continue
        same = {(r.entity_id, r.product_id) for r in file.routes} & {(r.entity_id, r.product_id) for r in other.routes}
        if other.name != file.name or not same:
            raise ConfigError(
                f"two files would get one name: {file.relpath} of {shown(file.scene_entity_id)} and "
                f"{other.relpath} of {shown(other.scene_entity_id)}",
                hint='Keep them apart with a layout, for example layout = "{entity_id}".',
                reference="name-collision",
            )
    return tuple(taken.values())
