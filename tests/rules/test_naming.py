import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landsat_async.disk.win32_paths import check_name
from landsat_async.model import Scene
from landsat_async.rules.naming import (
    LAYOUT_FIELDS,
    UnsafeName,
    bundle_name,
    check_layout,
    fill_of,
    is_planned,
    layout_folder,
    name_from_url,
    planned_name,
    safe_name,
    served_name,
    shown,
    window_key,
    window_name,
    window_source,
)
from landsat_async.rules.product_id import parse_product_id, parse_scene_key
from tests.support.volumes import examples

PID = "LC08_L2SP_004053_20240705_20240712_02_T1"
SCENE = Scene("LC80040532024187LGN00", PID, acquired="2024-07-05")


@pytest.mark.faults("C11", "K01")
@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "C:x", "CON", "con.tif", "Lpt1.TIF", "a" * 182, "x\0.tif",
        "x.tif.", "x.tif ", " x", "-rf", ".hidden", "_x", "a\nb", "\x1b[31m", "\u202egnp.exe", "ＬＣ08", "é.tif", "a b",
        "a:b", "a*b", "[/red]",
    ],
)  # fmt: skip
def test_C11_hostile_names_never_become_file_names(name):
    with pytest.raises(UnsafeName) as caught:
        safe_name(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", [f"{PID}_SR_B3.TIF", f"{PID}_ANG.txt", f"{PID}.tar", "A" * 181, "CONGO.tif"])
def test_usgs_names_pass_unchanged(name):
    assert safe_name(name) == name


@pytest.mark.faults("C11")
@settings(max_examples=examples(500))
@given(st.text(max_size=300))
def test_C11_what_passes_is_one_plain_component(name):
    try:
        passed = safe_name(name)
    except UnsafeName:
        return
    assert passed == name
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\: ")
    assert name[0].isalnum()
    assert name[-1] != "."


def test_a_bundle_is_the_product_id_and_tar():
    assert bundle_name(PID) == PID + ".tar"
    with pytest.raises(UnsafeName):
        bundle_name("../" + PID)


def test_every_field_of_the_layout_is_filled():
    template = "/".join(f"{{{name}}}" for name in LAYOUT_FIELDS)
    assert check_layout(template) is None
    folder = layout_folder(template, SCENE)
    assert folder == f"LC08/004/053/2024/07/05/T1/L2SP/LC80040532024187LGN00/{PID}"
    assert layout_folder("{sensor}/{path}{row}/{year}", SCENE) == "LC08/004053/2024"
    assert layout_folder("", SCENE) == ""


def test_what_an_id_does_not_tell_is_unknown_and_tiles_use_their_grid():
    strange = Scene("X1", "strange", acquired="12.7.2024")
    assert layout_folder("{sensor}/{tier}/{year}", strange) == "unknown/unknown/unknown"
    tile = Scene("LC08_CU_008001_20231101_20231116_02", "LC08_CU_008001_20231101_20231116_02")
    assert layout_folder("{level}/{path}{row}/{month}", tile) == "ARD/008001/11"


@pytest.mark.faults("K01")
@pytest.mark.parametrize("field", ["entity_id", "display_id"])
def test_K01_a_hostile_id_cannot_leave_the_folder_through_the_layout(field):
    with pytest.raises(UnsafeName):
        layout_folder("{" + field + "}", Scene("../../x", "../../x"))


@pytest.mark.parametrize(
    "template",
    ["{scene}", "{}", "{year", "year}", "{year!r}", "{year:>9}", "{year.real}", "{path[0]}", "../{year}", "a/../b",
     "/abs", "a//b", "a/", ".hidden", "~/x", "a\\b", "a\nb", "x./y", "CON/{year}", "{year}" + "x" * 200, "é" * 80],
)  # fmt: skip
def test_layouts_that_are_wrong_or_lead_elsewhere_are_refused(template):
    assert check_layout(template)


@pytest.mark.parametrize("template", ["", "{year}", "Landsat 8/{path}_{row}", "{{x}}", "daten-ö/{tier}"])
def test_layouts_of_plain_folders_are_fine(template):
    assert check_layout(template) is None
    assert ".." not in layout_folder(template, SCENE)


@settings(max_examples=examples(300))
@given(st.text("{}/.\\ abyear~-:!", max_size=30))
def test_a_layout_that_passes_never_leads_outside(template):
    if check_layout(template) is None:
        folder = layout_folder(template, SCENE)
        assert not folder.startswith("/")
        assert all(part and not part.startswith(".") for part in folder.split("/") if folder)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"https://landsatlook.usgs.gov/gen-bundle?landsat_product_id={PID}&requestSignature=x", f"{PID}.tar"),
        (f"https://landsatlook.usgs.gov/data/x/{PID}/{PID}_SR_B3.TIF?requestSignature=x", f"{PID}_SR_B3.TIF"),
        ("https://dds.cr.usgs.gov/download-staging/eyJpZCI6MX0", None),
        ("https://dds.cr.usgs.gov/download/eyJpZCI6MX0", None),
        ("/download/a://b/eyJpZCI6MX0", None),
        (f"/data/{PID}_SR_B3.TIF", f"{PID}_SR_B3.TIF"),
        ("https://h/..%2f..%2fetc", None),
        ("https://h/", None),
        ("https://[::1", None),
        ("https://h/gen-bundle?landsat_product_id=../x", None),
    ],
)
def test_names_are_read_from_links_where_they_are_safe(url, name):
    assert name_from_url(url) == name


@given(st.text(max_size=200))
def test_any_text_can_be_shown(text):
    assert shown(text).isprintable()
    assert len(shown(text)) <= 80
    name_from_url(text)


def test_product_ids_are_taken_apart():
    product = parse_product_id(PID)
    assert (product.sensor, product.level, product.path, product.row) == ("LC08", "L2SP", 4, 53)
    assert (product.acquired.isoformat(), product.processed.isoformat()) == ("2024-07-05", "2024-07-12")
    assert (product.collection, product.tier, product.region) == ("02", "T1", None)
    assert product.dataset == "landsat_ot_c2_l2"
    assert parse_product_id(PID.lower()) == product


@pytest.mark.parametrize(
    "text",
    ["", "x", PID + "_SR_B3.TIF", PID[:-1] + "4", PID.replace("20240705", "20240732"), PID.replace("0", "٠")],
)
def test_what_is_no_product_id_is_none(text):
    assert parse_product_id(text) is None


def test_collection_1_and_level_2_of_mss_have_no_dataset():
    assert parse_product_id("LC08_L1TP_226078_20200804_20200821_01_T1").dataset is None
    assert parse_product_id("LM05_L2SP_001001_19850524_20210918_02_T2").dataset is None


def test_entity_ids_tell_place_and_day():
    key = parse_scene_key("LC80040532024187LGN00")
    assert (key.path, key.row, key.acquired.isoformat()) == (4, 53, "2024-07-05")
    assert parse_scene_key(PID) == key
    assert parse_scene_key("LC80040532024000LGN00") is None
    assert parse_scene_key("LC08_CU_008001_20231101_20231116_02") is None


@settings(max_examples=examples(500))
@given(st.text("LCOTEM0123456789_SPGRTUAKHI", max_size=50))
def test_no_text_breaks_the_id_parsers(text):
    parse_product_id(text)
    parse_scene_key(text)


@pytest.mark.parametrize(
    "layout",
    [
        "C:/x/{sensor}",
        "a:b",
        "{sensor}:stream",
        "a*b",
        "what?",
        "a<b",
        "a>b",
        "a|b",
        'a"b',
        "CONIN$",
        "x/conout$.txt/y",
        "com¹",
        "nul .x",
    ],
)
def test_layouts_that_windows_would_take_for_something_else_are_refused_everywhere(layout):
    assert check_layout(layout) is not None


@given(st.text(st.sampled_from('ab.C:/\\*?<>|" $~-conut1²{}ä'), min_size=1, max_size=12))
def test_every_folder_of_a_layout_is_a_name_on_windows_too(layout):
    if "{" not in layout and "}" not in layout and check_layout(layout) is None:
        for folder in layout.split("/"):
            assert check_name(folder) == folder


BAND = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
WINDOW = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.w1a2b3c4d.TIF"
TILE = "LC08_CU_008001_20231101_20231116_02"


@pytest.mark.faults("M37")
@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        (f"{TILE}_SR.tar", "https://h/download/secret", f"{TILE}_SR.tar"),
        (f"{TILE}.zip", "https://h/x", f"{TILE}.zip"),
        (None, f"https://h/data/{TILE}_BA.zip?s=1", f"{TILE}_BA.zip"),
        (None, "https://h/download/secret", None),
        ("download.bin", f"https://h/data/{TILE}_SR.tar", None),
        (f"{TILE}", "https://h/x", None),
        (f"{TILE}1_SR.tar", "https://h/x", None),
        (f"{TILE}_../x", "https://h/x", None),
        (f"{TILE}_x.product", "https://h/x", None),
    ],
)
def test_M37_the_name_of_the_server_has_to_begin_with_the_display_id(disposition, url, name):
    assert served_name(TILE, disposition, url) == name


def test_planned_names_are_safe_and_readable():
    assert planned_name(TILE, "C2 ARD / Tile: SR") == f"{TILE}.C2_ARD_Tile_SR.product"
    assert planned_name(TILE, "…") == f"{TILE}.product.product"
    with pytest.raises(UnsafeName):
        planned_name("../x", "SR")


def test_a_planned_name_is_known_as_one_and_no_server_can_give_it():
    planned = planned_name(TILE, "SR")
    assert is_planned(planned)
    assert not is_planned(f"{TILE}_SR.tar")
    assert served_name(TILE, planned, "https://h/x") is None


@pytest.mark.parametrize("template", ["superseded", "superseded/{year}", "Superseded/x"])
def test_the_folder_of_older_versions_is_no_layout(template):
    assert "sync" in (check_layout(template) or "")
    assert check_layout("{year}/superseded") is None


def test_in_a_dataset_of_single_files_the_display_id_is_the_whole_name():
    tile = "LC08_CU_008001_20231101_20231116_02"
    assert served_name(f"{tile}_SR_B4.TIF", f"{tile}_SR_B4.TIF", "https://host/x") == f"{tile}_SR_B4.TIF"
    assert served_name(tile, tile, "https://host/x") is None
    assert served_name(f"{tile}_SR_B4.TIF", f"{tile}_SR_B5.TIF", "https://host/x") is None


def test_a_window_is_named_after_its_file_and_back():
    assert window_name(BAND, "1a2b3c4d") == WINDOW == safe_name(WINDOW)
    assert (window_source(WINDOW), window_key(WINDOW)) == (BAND, "1a2b3c4d")


@pytest.mark.parametrize("name", ["X_MTL.txt", "X_ANG.txt", "X.tar", "X_QA.jpeg", "TIF"])
def test_what_is_no_raster_has_no_window(name):
    assert window_name(name, "1a2b3c4d") is None


@pytest.mark.parametrize("name", [BAND, "X.w1a2b3c4.TIF", "X.w1a2b3c4g.TIF", "X.1a2b3c4d.TIF", "X.w1a2b3c4d.txt"])
def test_other_names_are_their_own(name):
    assert (window_source(name), window_key(name)) == (name, None)


def test_the_fill_of_quality_pixels_is_a_bit():
    assert fill_of("X_QA_PIXEL.w1a2b3c4d.TIF") == fill_of("X_QA_PIXEL.TIF") == 1
    assert fill_of(WINDOW) == fill_of("X_QA_RADSAT.TIF") == 0
