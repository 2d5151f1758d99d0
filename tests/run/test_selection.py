import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landsat_async.config_tables import SelectConfig
from landsat_async.errors import ConfigError
from landsat_async.m2m.replies import ProductOption, SecondaryFile
from landsat_async.model import Scene
from landsat_async.rules.bands import band_matches
from landsat_async.run.selection import Lacking, choose
from tests.support.volumes import examples

PID = "LC08_L2SP_004053_20240705_20240712_02_T1"
PID2 = "LC08_L2SP_004052_20240705_20240712_02_T1"
ENTITY, ENTITY2 = "LC80040532024187LGN00", "LC80040522024187LGN00"
SCENE, SCENE2 = Scene(ENTITY, PID, "2024-07-05"), Scene(ENTITY2, PID2, "2024-07-05")
SUFFIXES = [
    "SR_B1.TIF", "SR_B2.TIF", "SR_B3.TIF", "SR_B4.TIF", "SR_B5.TIF", "SR_B6.TIF", "SR_B7.TIF", "ST_B10.TIF",
    "ST_TRAD.TIF", "ST_URAD.TIF", "ST_DRAD.TIF", "ST_ATRAN.TIF", "ST_EMIS.TIF", "ST_EMSD.TIF", "ST_CDIST.TIF",
    "SR_QA_AEROSOL.TIF", "ST_QA.TIF", "QA_PIXEL.TIF", "QA_RADSAT.TIF", "ANG.txt", "MTL.txt", "MTL.xml",
]  # fmt: skip


def single(suffix, pid=PID, *, product="s3", system="ls_s3", available=True, size=62914560, groups=None, prefix="L2SR"):
    if groups is None:
        groups = ("ls_c2l2_sr_band",) if suffix.startswith("SR") else ("ls_c2l2_st_band",) if "ST_" in suffix else ()
    entity = f"{prefix}_{pid}_{suffix.replace('.', '_').upper()}"
    return SecondaryFile(entity, f"{pid}_{suffix}", product, system, available, size, "5f85f041c828327a", groups)


def rows(scene=SCENE, *, secondary=None, zip_available=True, dds_available=False, suffixes=SUFFIXES):
    """The eight rows of one scene, the same single files under four of them."""
    pid = scene.display_id
    files = tuple(secondary if secondary is not None else [single(suffix, pid) for suffix in suffixes])

    def row(product, name, system, available, size, under=()):
        return ProductOption(
            scene.entity_id, pid, product, name, system, available, size, "5e83d14f2fc39685", tuple(under)
        )

    bundle, bands = "Landsat Collection 2 Level-2 Product Bundle", "Landsat Collection 2 Level-2 Band File"
    browse = "Full-Resolution Browse (Natural Color) GeoTIFF"
    return [
        row("D694", bundle, "ls_zip", zip_available, 818830718, files),
        row("D693", bands, "folder", True, 0, files),
        row("D691", bands, "folder", True, 0, files),
        row("D806", bundle, "dds_ms", dds_available, 818830718, files),
        row("D734", browse, "ls_frb", True, 14680064),
        row("D735", browse, "ls_frb", True, 14680064),
        row("D736", browse, "wms", True, 500),
    ]


def pick(kind, options=None, scenes=(SCENE,), *, layout="", bands=(), file_groups=(), products=("*",)):
    select = SelectConfig(type=kind, bands=tuple(bands), file_groups=tuple(file_groups), products=tuple(products))
    return choose(list(scenes), rows() if options is None else options, select, layout=layout)


def names(selection):
    return [file.name for file in selection.files]


@pytest.mark.faults("C06", "C09")
@pytest.mark.parametrize(("zip_available", "dds_available", "first"), [(True, False, "D694"), (False, True, "D806")])
def test_C09_the_bundle_that_can_be_had_comes_first_and_the_other_stays_as_a_way_out(
    zip_available, dds_available, first
):
    chosen = pick("bundle", rows(zip_available=zip_available, dds_available=dds_available))
    (file,) = chosen.files
    assert (file.name, file.kind, file.scene_entity_id) == (PID + ".tar", "bundle", ENTITY)
    assert file.routes[0].product_id == first
    assert [route.available for route in file.routes] == [True, False]
    assert {route.system for route in file.routes} == {"ls_zip", "dds_ms"}
    assert file.bytes_nominal == 818830718
    assert chosen.unavailable == ()


def test_folders_and_browse_images_are_no_bundles():
    chosen = pick("bundle")
    assert len(chosen.files) == 1
    assert {route.product_id for route in chosen.files[0].routes} == {"D694", "D806"}


@pytest.mark.faults("C06")
def test_C06_a_bundle_that_cannot_be_had_now_or_is_not_listed_is_told_by_name_and_the_rest_goes_on():
    options = rows(zip_available=False) + rows(SCENE2)
    chosen = pick("bundle", options, [SCENE, SCENE2])
    assert names(chosen) == [PID2 + ".tar"]
    (gone,) = chosen.unavailable
    assert gone.file == PID + ".tar"
    assert "does not offer" in gone.reason
    for listed in ([], rows()[1:3], rows(SCENE2)):
        (none,) = pick("bundle", listed).unavailable
        assert none.file == PID + ".tar"


@pytest.mark.faults("C13")
def test_C13_a_bundle_of_another_processing_date_is_not_taken_silently():
    newer = Scene(ENTITY, PID.replace("20240712", "20250101"))
    (gone,) = pick("bundle", rows(newer)).unavailable
    assert newer.display_id in gone.hint


def test_old_products_whose_bundle_has_another_name_are_found_by_their_system(recorded):
    listed = recorded("rec_2021_download-options_landsat_8_c1")["data"]
    options = [
        ProductOption(
            row["entityId"], row["displayId"], row["id"], row["productName"], row["downloadSystem"], row["available"],
            row["filesize"], row["datasetId"],
        )
        for row in listed
    ]  # fmt: skip
    scene = Scene(listed[0]["entityId"], listed[0]["displayId"])
    (file,) = pick("bundle", options, [scene]).files
    assert [route.system for route in file.routes] == ["dds"]


@pytest.mark.parametrize(
    "name", ["part_2024_download-options_landsat_ot_c2_l2_table", "part_2025_download-options_landsat_ot_c2_l1_table"]
)
def test_recorded_options_give_one_bundle_a_scene_with_two_ways(recorded, name):
    listed = [row for row in recorded(name) if "entityId" in row]
    options = [
        ProductOption(
            row["entityId"], row["displayId"], row["id"], row["productName"], row["downloadSystem"],
            row["available"] == "True", int(row["filesize"]), row["datasetId"],
        )
        for row in listed
    ]  # fmt: skip
    scenes = [Scene(*ids) for ids in dict.fromkeys((row["entityId"], row["displayId"]) for row in listed)]
    chosen = pick("bundle", options, scenes)
    assert names(chosen) == [scene.display_id + ".tar" for scene in scenes]
    whole = [file for file in chosen.files if len(file.routes) == 2]
    assert whole
    assert all(file.routes[0].available and not file.routes[1].available for file in whole)


@pytest.mark.faults("C08")
@pytest.mark.parametrize(
    ("pattern", "suffix", "matches"),
    [
        ("B1", "B1.TIF", True), ("B1", "B10.TIF", False), ("B1", "B11.TIF", False), ("B1", "SR_B1.TIF", False),
        ("SR_B3", "SR_B3.TIF", True), ("sr_b3", "SR_B3.TIF", True), ("SR_B*", "SR_B7.TIF", True),
        ("SR_B*", "SR_QA_AEROSOL.TIF", False), ("B?", "B10.TIF", False), ("*", "MTL.xml", True),
        ("ANG", "ANG.txt", True), ("MTL", "MTL.txt", True), ("MTL", "MTL.xml", True), ("MTL.txt", "MTL.txt", True),
        ("MTL.txt", "MTL.xml", False), ("mtl.TXT", "MTL.txt", True), ("*.TIF", "SR_B1.TIF", True),
        ("*.TIF", "MTL.txt", False), ("SR_B[35]", "SR_B5.TIF", True), ("SR_B[35]", "SR_B4.TIF", False),
        ("QA", "QA_PIXEL.TIF", False), ("B6_VCID_1", "B6_VCID_1.TIF", True),
    ],
)  # fmt: skip
def test_C08_a_band_is_compared_with_the_whole_of_what_follows_the_product_id(pattern, suffix, matches):
    assert band_matches(pattern, suffix) is matches


@pytest.mark.faults("C07")
def test_C07_a_file_under_four_rows_is_one_file():
    chosen = pick("band", bands=["SR_B3", "SR_B5", "ANG"])
    assert names(chosen) == [f"{PID}_SR_B3.TIF", f"{PID}_SR_B5.TIF", f"{PID}_ANG.txt"]
    assert all(len(file.routes) == 1 and file.kind == "file" for file in chosen.files)
    assert chosen.files[0].routes[0].entity_id == f"L2SR_{PID}_SR_B3_TIF"
    assert chosen.files[0].group_dataset is None
    assert (chosen.unavailable, chosen.unmatched_bands) == ((), ())


@pytest.mark.faults("C07", "C09")
def test_C07_two_storage_systems_or_two_entities_of_one_file_are_ways_to_it():
    secondary = [
        single("SR_B3.TIF", product="s3", available=False),
        single("SR_B3.TIF", product="dds", system="dds"),
        single("QA_PIXEL.TIF"),
        single("QA_PIXEL.TIF", prefix="L2ST"),
    ]
    band, quality = pick("band", rows(secondary=secondary), bands=["SR_B3", "QA_PIXEL"]).files
    assert [(route.product_id, route.available) for route in band.routes] == [("dds", True), ("s3", False)]
    assert [route.entity_id[:4] for route in quality.routes] == ["L2SR", "L2ST"]


@pytest.mark.faults("C06")
def test_C06_what_no_scene_has_is_told_and_the_rest_goes_on():
    chosen = pick("band", bands=["SR_B3", "B99"])
    assert names(chosen) == [f"{PID}_SR_B3.TIF"]
    assert chosen.unmatched_bands == ("B99",)
    assert chosen.unavailable == ()


@pytest.mark.faults("C06", "M32")
def test_M32_bands_that_some_scenes_lack_are_told_with_their_number_an_example_and_what_it_has():
    options = rows() + rows(SCENE2, suffixes=["ANG.txt", "MTL.txt"])
    chosen = pick("band", options, [SCENE, SCENE2], bands=["SR_B3", "ANG", "SR_B5"])
    assert names(chosen) == [f"{PID}_SR_B3.TIF", f"{PID}_SR_B5.TIF", f"{PID}_ANG.txt", f"{PID2}_ANG.txt"]
    assert chosen.unavailable == chosen.unmatched_bands == ()
    assert chosen.lacking == tuple(Lacking(band, 1, PID2, "It has: ANG, MTL.") for band in ("SR_B3", "SR_B5"))
    assert chosen.complete == {PID}
    only = pick("band", options, [SCENE, SCENE2], bands=["SR_B3"])
    assert (names(only), only.unavailable, [lack.scenes for lack in only.lacking]) == (names(chosen)[:1], (), [1])


def test_a_scene_without_single_files_is_told_by_name():
    (nothing,) = pick("band", [], bands=["SR_B3"]).unavailable
    assert (nothing.file, nothing.reason) == (PID, "USGS lists no single files for this scene")


def test_a_file_that_cannot_be_had_now_is_told_once():
    secondary = [single("SR_B3.TIF", available=False), single("SR_B4.TIF")]
    chosen = pick("band", rows(secondary=secondary), bands=["SR_B*"])
    assert names(chosen) == [f"{PID}_SR_B4.TIF"]
    assert [gone.file for gone in chosen.unavailable] == [f"{PID}_SR_B3.TIF"]
    only = pick("band", rows(secondary=secondary), bands=["SR_B3"])
    assert [gone.file for gone in only.unavailable] == [f"{PID}_SR_B3.TIF"]
    assert only.unmatched_bands == ()


def test_band_groups_bring_their_files_with_dataset_and_groups():
    chosen = pick("band_group", file_groups=["ls_c2l2_sr_band"])
    assert len(chosen.files) == 8
    assert all(file.group_dataset == "5f85f041c828327a" for file in chosen.files)
    assert {file.file_groups for file in chosen.files} == {("ls_c2l2_sr_band",)}
    everything = pick("band_group")
    assert len(everything.files) == 8 + 9
    both = pick("band_group", rows(secondary=[single("SR_B1.TIF", groups=("b", "a"))]))
    assert both.files[0].file_groups == ("a", "b")


def test_a_group_that_no_scene_has_and_scenes_without_groups_are_told():
    chosen = pick("band_group", file_groups=["ls_c2l2_sr_band", "nope"])
    assert chosen.unmatched_bands == ("nope",)
    (gone,) = pick("band_group", rows(secondary=[single("ANG.txt", groups=())])).unavailable
    assert gone.file == PID
    (gone,) = pick("band_group", rows(), file_groups=["nope"]).lacking
    assert gone == Lacking("nope", 1, PID, "It has: ls_c2l2_sr_band, ls_c2l2_st_band.")


def test_all_is_the_bundle_and_every_single_file():
    chosen = pick("all")
    assert names(chosen) == [PID + ".tar"] + [f"{PID}_{suffix}" for suffix in SUFFIXES]
    without = pick("all", rows(zip_available=False))
    assert len(without.files) == 22
    assert [gone.file for gone in without.unavailable] == [PID + ".tar"]


def test_files_come_scene_by_scene():
    chosen = pick("all", rows(SCENE2) + rows(), [SCENE, SCENE2])
    assert [file.scene_display_id for file in chosen.files] == [PID] * 23 + [PID2] * 23


def test_options_of_scenes_that_are_not_wanted_are_not_touched():
    assert names(pick("bundle", rows() + rows(SCENE2))) == [PID + ".tar"]


@pytest.mark.faults("C10")
@pytest.mark.parametrize("size", [0, -1, None])
def test_C10_a_size_that_is_none_is_unknown(size):
    assert pick("band", rows(secondary=[single("ANG.txt", size=size)]), bands=["ANG"]).files[0].bytes_nominal is None


def test_the_layout_gives_each_file_its_folder():
    (file,) = pick("bundle", layout="{sensor}/{path}{row}/{year}").files
    assert file.relpath == f"LC08/004053/2024/{PID}.tar"


@pytest.mark.faults("C11", "K01")
@pytest.mark.parametrize("hostile", ["../x", "a/b", "CON", "x" * 300, "x\0", "x.", "\u202ex", "-rf", "\x1b]0;x"])
def test_C11_hostile_ids_are_told_harmlessly_and_never_fetched(hostile):
    bad = Scene("LC8", hostile)
    for kind in ("bundle", "band", "band_group", "all"):
        chosen = pick(kind, rows(bad) + rows(), [bad, SCENE], bands=["ANG"])
        assert {file.scene_display_id for file in chosen.files} == {PID}
        (gone,) = chosen.unavailable
        assert gone.file.isprintable()
        assert len(gone.file) <= 80


@pytest.mark.faults("C11")
def test_C11_a_hostile_file_name_among_good_ones_is_told_and_left_out():
    secondary = [SecondaryFile("e", f"{PID}_/../ANG.txt", "p", "ls_s3", True, 1, None), single("ANG.txt")]
    chosen = pick("band", rows(secondary=secondary), bands=["*ANG"])
    assert names(chosen) == [f"{PID}_ANG.txt"]
    assert len(chosen.unavailable) == 1
    assert pick("band", rows(secondary=secondary), bands=["MTL", "ANG"]).unavailable == ()


@pytest.mark.faults("C12", "H20")
@pytest.mark.parametrize("suffixes", [["ANG.txt", "ang.TXT"], ["SR_B3.TIF", "SR_b3.tif"]])
def test_C12_H20_two_files_of_one_name_by_case_stop_the_run_with_both_names(suffixes):
    with pytest.raises(ConfigError) as caught:
        pick("band", rows(secondary=[single(suffix, prefix=suffix) for suffix in suffixes]), bands=["*"])
    assert all(f"{PID}_{suffix}" in str(caught.value) for suffix in suffixes)
    assert "layout" in caught.value.hint


@pytest.mark.faults("C12")
def test_C12_the_same_names_in_two_scenes_are_kept_apart_by_a_layout():
    twin = Scene("LC80040532024187LGN01", PID)
    options = rows() + rows(twin)
    with pytest.raises(ConfigError):
        pick("bundle", options, [SCENE, twin])
    assert len(pick("bundle", options, [SCENE, twin], layout="{entity_id}").files) == 2


@pytest.mark.faults("C12")
def test_C12_one_file_that_is_listed_under_two_scenes_is_one_file():
    chosen = pick(
        "band", rows() + rows(SCENE2, secondary=[single("ANG.txt")]), [SCENE, SCENE2], bands=["ANG", "*ANG.txt"]
    )
    assert names(chosen) == [f"{PID}_ANG.txt"]


def test_nothing_selected_is_nothing():
    chosen = pick("band", [], [], bands=["ANG"])
    assert chosen.files == chosen.unavailable == chosen.unmatched_bands == ()


NAMES = st.sampled_from([f"{PID}_{suffix}" for suffix in SUFFIXES[:6]] + ["odd.bin", "../up", "x\n"])
SYSTEMS = st.sampled_from(["ls_zip", "dds_ms", "dds", "ls_s3", "folder", "ls_frb", "wms", "", "new"])
FILES = st.builds(
    SecondaryFile,
    st.sampled_from(["a", "b", "c"]), NAMES, st.sampled_from(["p", "q"]), SYSTEMS, st.booleans(),
    st.none() | st.integers(-1, 2**63), st.none() | st.just("d"),
    st.lists(st.sampled_from(["g", "h"]), max_size=2).map(tuple),
)  # fmt: skip
ROWS = st.builds(
    ProductOption,
    st.sampled_from([ENTITY, ENTITY2, "X"]), st.sampled_from([PID, PID2, "../x", ""]), st.sampled_from(["1", "2", "3"]),
    st.sampled_from(["Product Bundle", "Full-Resolution Browse", "Band File", ""]),
    SYSTEMS, st.booleans(), st.none() | st.integers(-1, 2**63), st.none(), st.lists(FILES, max_size=4).map(tuple),
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(ROWS, max_size=8),
    st.sampled_from(["bundle", "band", "band_group", "all", "product"]),
    st.lists(st.sampled_from(["SR_B1", "*", "ANG", "["]), min_size=1, max_size=2),
)
def test_whatever_is_listed_every_scene_is_answered_and_every_file_is_safe_and_single(listed, kind, bands):
    try:
        chosen = pick(kind, listed, [SCENE, SCENE2], bands=bands)
    except ConfigError as error:
        assert error.reference in ("name-collision", "choose-products")  # noqa: PT017 (either outcome is right)
        return
    paths = [file.relpath.casefold() for file in chosen.files]
    assert len(paths) == len(set(paths))
    assert all(file.routes and file.routes[0].available and "/" not in file.name for file in chosen.files)
    told = " ".join([*(gone.file for gone in chosen.unavailable), *(PID + PID2 for lack in chosen.lacking)])
    answered = {file.scene_display_id for file in chosen.files}
    for scene in (SCENE, SCENE2):
        files = [file for row in listed if row.entity_id == scene.entity_id for file in row.secondary]
        foreign = any(not file.display_id.startswith(scene.display_id) for file in files)  # then those are answered
        assert scene.display_id in answered or scene.display_id in told or foreign
