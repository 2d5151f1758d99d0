import datetime as dt
import os
import re
import subprocess
import sys
import tomllib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landsat_async.config import (
    EXAMPLE_TOML,
    Config,
    DownloadConfig,
    SearchConfig,
    SelectConfig,
    ServiceConfig,
)
from landsat_async.config_tables import READERS, HooksConfig, OutputConfig
from landsat_async.errors import ConfigError
from tests.support.volumes import examples

TABLES = {
    "service": ServiceConfig, "search": SearchConfig, "select": SelectConfig, "download": DownloadConfig,
    "output": OutputConfig, "hooks": HooksConfig,
}  # fmt: skip


def load(tmp_path, text, *, overrides=(), environ=None):
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return Config.load(tmp_path / "config.toml", overrides=overrides, environ=environ or {})


def build(**tables):
    return Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2"}, **tables})


def problems(**tables):
    with pytest.raises(ConfigError) as caught:
        build(**tables)
    return caught.value.problems


def problems_of(tmp_path, text, **more):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **more)
    return caught.value.problems


def test_the_example_is_valid_and_speaks_of_every_key(tmp_path):
    (tmp_path / "config.toml").write_text(EXAMPLE_TOML, encoding="utf-8")
    config = Config.load(tmp_path / "config.toml", environ={})
    assert config.select.bands == ("SR_B3", "SR_B5", "ANG")
    for table in TABLES:
        part = EXAMPLE_TOML.split(f"[{table}]")[1].split("\n[")[0]
        for name in READERS[table]:
            assert re.search(rf"^(# )?{name} = ", part, re.MULTILINE), f"{table}.{name}"


def test_every_commented_line_of_the_example_is_valid_as_well(tmp_path):
    (tmp_path / "ids.csv").write_text("LC80040532024187LGN00\n")
    lines = EXAMPLE_TOML.splitlines()
    for line in lines:
        if match := re.match(r"# (\w+ = .*)", line):
            document = tomllib.loads(match[1])
            key = next(iter(document))
            table = next(name for name in READERS if key in READERS[name])
            needs = {"sensors": {"level": 2}, "tiles": {"dataset": "landsat_ard_tile_c2"}}
            rest = {"search": needs.get(key, {"dataset": "landsat_ot_c2_l2"})}
            if key.startswith("aoi_"):
                rest["search"]["bbox"] = [0, 0, 1, 1]
            rest.setdefault(table, {}).update(document)
            Config.from_dict(rest, base_dir=tmp_path)


def test_defaults_of_the_example_are_the_defaults_of_the_code(tmp_path):
    config = load(tmp_path, EXAMPLE_TOML)
    for table in ("service", "download", "output", "hooks"):
        values = msgspec.structs.asdict(getattr(config, table))
        defaults = msgspec.structs.asdict(TABLES[table]())
        for key in ("directory", "spool", "state_dir"):  # beside the file
            values.pop(key, None), defaults.pop(key, None)
        assert values == defaults


def test_the_contract_sample_loads_with_every_key(tmp_path):
    config = load(
        tmp_path,
        """
        [service]
        url = "http://127.0.0.1:8080/api/json/stable"
        username = "ana"
        credentials_file = "cred.txt"
        ca_bundle = "corp.pem"
        token_command = ["pass", "show", "usgs"]
        patience_s = 0
        file_hosts = ["*.usgs.gov", "Files.Example.org"]
        [search]
        dataset = "landsat_ot_c2_l2"
        aoi = "aoi.geojson"
        start = 2024-07-05
        end = "2024-08-06"
        cloud_cover = [0, 10]
        include_unknown_cloud = true
        months = [8, 6, 7, 6]
        path_row = ["004053", "004/052", "4/52"]
        tiers = ["t1", "RT"]
        min_coverage = 0.5
        limit = 3
        [select]
        type = "band_group"
        bands = ["SR_B*"]
        file_groups = ["ls_c2l2_sr_band"]
        [download]
        directory = "data"
        layout = "{sensor}/{path}{row}/{year}/{display_id}"
        workers = 5
        queue_size = 1
        connections_per_file = 2
        poll_interval_s = 0.05
        staging_timeout_s = 0.5
        attempts = 1
        stall_timeout_s = 0.1
        min_free_bytes = "0 B"
        """,
    )
    assert config.service.url == "http://127.0.0.1:8080/api/json/stable/"
    assert config.service.credentials_file == str(tmp_path / "cred.txt")
    assert config.service.token_command == ("pass", "show", "usgs")
    assert config.service.file_hosts == ("*.usgs.gov", "files.example.org")
    assert config.search.aoi == str(tmp_path / "aoi.geojson")
    assert (config.search.start, config.search.end) == (dt.date(2024, 7, 5), dt.date(2024, 8, 6))
    assert config.search.months == (6, 7, 8)
    assert config.search.path_row == ((4, 53), (4, 52))
    assert config.search.tiers == ("T1", "RT")
    assert config.download.directory == str(tmp_path / "data")
    assert config.download.min_free_bytes == 0
    assert config.path == str(tmp_path / "config.toml")


def test_relative_paths_are_relative_to_the_file_and_not_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    (tmp_path / "c.toml").write_text('[search]\ndataset = "landsat_ot_c2_l2"\n')
    assert Config.load("../c.toml", environ={}).download.directory == str(tmp_path / "data")


@pytest.mark.faults("D04", "D05")
def test_all_problems_are_told_at_once_with_file_and_dotted_key_and_nearest_key(tmp_path):
    found = problems_of(
        tmp_path,
        """
        [downlod]
        [search]
        dataset = "landsat_ot_c2_l2"
        cloud_cover = [0, 101]
        workers = 3
        [download]
        worker = 4
        workers = 0
        """,
    )
    path = str(tmp_path / "config.toml")
    assert all(problem.startswith(path) for problem in found)
    text = "\n".join(found)
    assert "unknown table [downlod]; did you mean download?" in text
    assert "search.cloud_cover: 101 is not in 0 to 100" in text
    assert "unknown key search.workers; did you mean download.workers?" in text
    assert "unknown key download.worker; did you mean workers?" in text
    assert "download.workers: 0 is not in 1 to 64" in text
    assert len(found) == 5


@pytest.mark.faults("D05", "D07")
@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("download", "workers", 0),
        ("download", "workers", 65),
        ("download", "workers", True),
        ("download", "workers", "4"),
        ("download", "workers", 1.5),
        pytest.param("download", "workers", 16**5000, id="a hexadecimal number of 5000 digits"),
        ("download", "queue_size", 0),
        ("download", "attempts", 0),
        ("download", "connections_per_file", 0),
        ("download", "poll_interval_s", 0),
        ("download", "stall_timeout_s", float("nan")),
        ("download", "staging_timeout_s", float("inf")),
        ("download", "min_free_bytes", "1 GiBi"),
        ("download", "min_free_bytes", -1),
        ("download", "min_free_bytes", False),
        ("download", "min_free_bytes", 1.5),
        ("download", "layout", "{scene}"),
        ("download", "layout", "../up"),
        ("download", "layout", "{year"),
        ("download", "layout", "{year.__class__}"),
        ("download", "directory", ""),
        ("service", "patience_s", -1),
        ("service", "url", "http://m2m.cr.usgs.gov/api/"),
        ("service", "url", "ftp://m2m.cr.usgs.gov/"),
        ("service", "url", "https://ana:secret@m2m.cr.usgs.gov/"),
        ("service", "url", "https://[::1"),
        ("service", "url", "https://"),
        ("service", "url", "https://host:99999/"),
        ("service", "file_hosts", ["https://x/"]),
        ("service", "file_hosts", ["*"]),
        ("service", "token_command", "pass show usgs"),
        ("service", "token_command", []),
        ("service", "username", "a\r\nb"),
        ("search", "bbox", [0, 11, 1, 10]),
        ("search", "bbox", [0, -91, 1, 10]),
        ("search", "bbox", [-181, 0, 1, 10]),
        ("search", "bbox", [0, 0, 1]),
        ("search", "bbox", ["0", 0, 1, 1]),
        ("search", "bbox", [0, float("nan"), 1, 1]),
        ("search", "bbox", [0, 0, 0, 1]),
        ("search", "cloud_cover", [10, 0]),
        ("search", "cloud_cover", [-1, 10]),
        ("search", "cloud_cover", [True, 10]),
        ("search", "cloud_cover", 10),
        ("search", "months", [0]),
        ("search", "months", [13]),
        ("search", "months", [True]),
        ("search", "months", 6),
        ("search", "path_row", ["000053"]),
        ("search", "path_row", ["999999"]),
        ("search", "path_row", [4053]),
        ("search", "tiers", ["T3"]),
        ("search", "min_coverage", 1.01),
        ("search", "limit", -1),
        ("search", "include_unknown_cloud", "yes"),
        ("search", "start", "2024-02-30"),
        ("search", "start", "05.07.2024"),
        ("search", "start", 20240705),
        ("search", "start", "1850-01-01"),
        ("search", "start", "2098-01-01"),
        ("search", "scenes", ["../x"]),
        ("search", "dataset", "landsat\nx"),
        ("select", "type", "bands"),
        ("select", "type", ["band"]),
        ("select", "bands", [""]),
        ("select", "bands", ["a/b"]),
    ],
)
def test_values_out_of_range_or_of_the_wrong_kind_are_refused_by_name(table, key, value):
    tables = {"search": {"dataset": "landsat_ot_c2_l2"}}
    tables[table] = {**tables.get(table, {}), key: value}
    found = problems(**tables)
    assert len(found) == 1
    assert f"{table}.{key}: " in found[0]
    assert len(found[0]) < 400


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1 GiB", 2**30),
        ("500 MB", 500_000_000),
        ("1.5kib", 1536),
        ("0 B", 0),
        ("17", 17),
        (42, 42),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes_are_read_with_units(written, expected):
    assert build(download={"min_free_bytes": written}).download.min_free_bytes == expected


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.3.2.1/x", "http://[::1]:8080/x/", "https://h/x"])
def test_plain_http_is_for_this_machine_only_and_a_slash_is_added(url):
    assert build(service={"url": url}).service.url == url.rstrip("/") + "/"


def test_a_secret_in_the_address_is_not_repeated():
    assert "secret" not in problems(service={"url": "https://ana:secret@host/"})[0]


def test_things_that_are_wrong_only_together():
    assert "search.aoi" in problems(search={"dataset": "x", "aoi": "a", "bbox": [0, 0, 1, 1]})[0]
    assert "later than" in problems(search={"dataset": "x", "start": "2024-08-01", "end": "2024-07-01"})[0]
    assert "select.bands" in problems(select={"type": "band"})[0]
    assert "search.dataset" in problems(search={})[0]


def test_a_west_beyond_the_east_crosses_the_meridian_and_is_no_problem():
    assert build(search={"dataset": "x", "bbox": [179, -1, -179, 1]}).search.bbox == (179, -1, -179, 1)


@pytest.mark.parametrize(
    ("scenes", "dataset"),
    [
        (["LC08_L2SP_004053_20240705_20240712_02_T1"], "landsat_ot_c2_l2"),
        (["LE07_L1TP_004053_20000705_20200712_02_T1", "LE07_L1GT_004053_20000705_20200712_02_T2"], "landsat_etm_c2_l1"),
        (["LT05_L2SP_010067_19860424_20200918_02_T2"], "landsat_tm_c2_l2"),
        (["LM01_L1GS_001010_19720908_20200909_02_T2"], "landsat_mss_c2_l1"),
        (["LC08_CU_008001_20231101_20231116_02"], "landsat_ard_tile_c2"),
    ],
)
def test_display_ids_tell_the_dataset(scenes, dataset):
    assert Config.from_dict({"search": {"scenes": scenes}}).search.datasets == (dataset,)


def test_entity_ids_do_not_tell_the_dataset_and_the_possible_ones_are_named():
    (problem,) = problems(search={"scenes": ["LC80040532024187LGN00"]})
    assert "does not tell level 1 from level 2" in problem
    assert "landsat_ot_c2_l1 and landsat_ot_c2_l2" in problem


def test_an_entity_id_that_only_one_dataset_can_hold_tells_it():
    assert Config.from_dict({"search": {"scenes": ["LM50040531986102AAA03"]}}).search.datasets == ("landsat_mss_c2_l1",)


def test_ids_of_several_datasets_are_one_config():
    two = ["LC08_L2SP_004053_20240705_20240712_02_T1", "LE07_L1TP_004053_20000705_20200712_02_T1"]
    assert Config.from_dict({"search": {"scenes": two}}).search.datasets == ("landsat_ot_c2_l2", "landsat_etm_c2_l1")


@pytest.mark.faults("M18")
@pytest.mark.parametrize(
    ("dataset", "successor"),
    [
        ("landsat_8_c1", "landsat_ot_c2_l1"), ("LANDSAT_ETM_C1", "landsat_etm_c2_l1"),
        ("landsat_tm_c1", "landsat_tm_c2_l1"), ("lsr_landsat_8_c1", "landsat_ot_c2_l2"),
        ("landsat_mss_c1", "landsat_mss_c2_l1"),
    ],
)  # fmt: skip
def test_M18_a_dataset_of_collection_1_is_told_to_have_ended(dataset, successor):
    (problem,) = problems(search={"dataset": dataset})
    assert "Collection 1, which has ended" in problem
    assert successor in problem


def test_scenes_decide_alone_and_a_note_says_so():
    search = {"dataset": "x", "scenes": ["LC80040532024187LGN00"], "cloud_cover": [0, 10]}
    assert "cloud_cover not applied" in Config.from_dict({"search": search}).notes[0]


def test_environment_goes_over_the_file_and_overrides_over_both(tmp_path):
    text = '[search]\ndataset = "a"\n[download]\nworkers = 1\nattempts = 2\nqueue_size = 3\n'
    environ = {"LANDSAT_ASYNC__DOWNLOAD__WORKERS": "4", "LANDSAT_ASYNC__DOWNLOAD__ATTEMPTS": "5", "OTHER": "x"}
    config = load(tmp_path, text, environ=environ, overrides=["download.workers=6"])
    assert (config.download.workers, config.download.attempts, config.download.queue_size) == (6, 5, 3)


def test_what_is_no_toml_is_a_plain_string_and_numbers_may_be_names(tmp_path):
    environ = {"LANDSAT_ASYNC__SEARCH__DATASET": "landsat_ot_c2_l2", "LANDSAT_ASYNC__SERVICE__USERNAME": "2024"}
    overrides = ["search.start=2024-07-05", 'search.tiers=["T1"]', "select.type=bundle"]
    config = load(tmp_path, "", environ=environ, overrides=overrides)
    assert config.search.datasets == ("landsat_ot_c2_l2",)
    assert config.service.username == "2024"
    assert config.search.start == dt.date(2024, 7, 5)
    assert config.search.tiers == ("T1",)
    assert config.select.type == "bundle"


def test_a_value_cannot_smuggle_in_a_second_key(tmp_path):
    found = problems_of(tmp_path, '[search]\ndataset = "a"\n', overrides=["download.workers=1\nattempts = 9"])
    assert len(found) == 1
    assert "download.workers" in found[0]


def test_faults_of_environment_and_overrides_name_where_they_were_written(tmp_path):
    found = problems_of(
        tmp_path,
        '[search]\ndataset = "a"\n',
        environ={"LANDSAT_ASYNC__DOWNLOAD__WORKER": "4", "LANDSAT_ASYNC__X__Y": "1"},
        overrides=["download.workers=99", "nonsense", "a=b"],
    )
    text = "\n".join(found)
    assert "LANDSAT_ASYNC__DOWNLOAD__WORKER: unknown key download.worker; did you mean workers?" in text
    assert "LANDSAT_ASYNC__X__Y: unknown table [x]" in text
    assert "override: download.workers: 99 is not in 1 to 64" in text
    assert text.count("must have the form table.key=value") == 2


@pytest.mark.faults("W90")
def test_a_table_or_a_key_that_is_missing_in_a_name_is_told_with_the_form_that_is_meant(tmp_path):
    environ = {f"LANDSAT_ASYNC__{name}": "1" for name in ("SEARCH", "SEARCH__", "__LIMIT", "__")}
    found = problems_of(
        tmp_path, '[search]\ndataset = "a"\n', environ=environ, overrides=["search.=1", ".limit=1", "."]
    )
    assert [text for text in found if "must have the form" not in text] == []
    places = [*environ, *(f"override {name}" for name in ("search.", ".limit", "."))]
    assert sorted(text.split(":")[0] for text in found) == sorted(places)


@pytest.mark.faults("B02")
def test_B02_a_password_is_answered_with_the_way_to_a_token(tmp_path):
    found = problems_of(tmp_path, '[service]\npassword = "hunter2"\n[search]\ndataset = "a"\n')
    assert "passwords stopped working in February 2025" in found[0]
    assert "hunter2" not in found[0]


def test_a_token_in_the_file_is_refused_without_repeating_it(tmp_path):
    found = problems_of(tmp_path, '[service]\ntoken = "T0P-secret"\n[search]\ndataset = "a"\n')
    assert "USGS_TOKEN" in found[0]
    assert "T0P" not in found[0]


@pytest.mark.faults("D01")
def test_D01_missing_folder_unreadable_and_empty_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file") as caught:
        Config.load(tmp_path / "nowhere.toml", environ={})
    assert "init" in caught.value.hint
    with pytest.raises(ConfigError, match="Is a directory"):
        Config.load(tmp_path, environ={})
    assert "search.dataset: missing" in problems_of(tmp_path, "")[0]


@pytest.mark.faults("D02")
@pytest.mark.parametrize("path", [r"C:\Workspace", r"C:\Users\ana", r"D:\x"])
def test_D02_a_windows_path_in_double_quotes_is_told_by_line_with_the_cure(tmp_path, path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f'[search]\ndataset = "a"\n[download]\ndirectory = "{path}"\n')
    assert "line 4" in str(caught.value)
    assert "column" in str(caught.value)
    assert "single quotes" in caught.value.hint


@pytest.mark.faults("D02")
def test_D02_a_windows_path_whose_escapes_happen_to_be_valid_is_caught_as_well():
    assert "single quotes" in problems(download={"directory": "C:\temp\new"})[0]


@pytest.mark.faults("D03")
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[search]\ndataset = 'a'\nname = 'caf\xe9'\n", "line 3 is not UTF-8"),
        (b"x = " + b"[" * 5000, "TOML"),
        (b"x = " + b"{a=" * 5000, "TOML"),
        (b"x = " + b"9" * 5000, "far too long"),
        (b"x = 2024-02-30", "line 1"),
        (b"x = 1\0", "TOML"),
        (b"#" * (4 * 1024**2 + 1), "4 MiB"),
    ],
)
def test_D03_odd_bytes_and_hostile_toml_are_config_errors(tmp_path, body, said):
    (tmp_path / "c.toml").write_bytes(body)
    with pytest.raises(ConfigError, match=said):
        Config.load(tmp_path / "c.toml", environ={})


@pytest.mark.faults("D03")
def test_D03_a_byte_order_mark_is_accepted(tmp_path):
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf[search]\r\ndataset = 'a'\r\n")
    assert Config.load(tmp_path / "c.toml", environ={}).search.datasets == ("a",)


@pytest.mark.faults("D06")
def test_D06_a_time_is_cut_to_the_day_in_utc_with_a_note(tmp_path):
    config = load(tmp_path, '[search]\ndataset = "a"\nstart = 2024-07-05T23:30:00-05:00\n')
    assert config.search.start == dt.date(2024, 7, 6)
    assert "2024-07-06" in config.notes[0]


def test_config_is_frozen_and_quick_to_import():
    config = build()
    with pytest.raises(AttributeError):
        config.download.workers = 9
    heavy = ["shapely", "numpy", "aiohttp", "anyio", "rich", "asyncio"]
    code = f"import sys, landsat_async.config; print([m for m in {heavy} if m in sys.modules])"
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == "[]"


TOML_VALUES = st.recursive(
    st.none().map(lambda _: "x")
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([(table, key) for table in TABLES for key in READERS[table]])


@pytest.mark.faults("D05")
@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(KEYS, TOML_VALUES, max_size=6), st.dictionaries(st.text(max_size=8), TOML_VALUES, max_size=2))
def test_D05_whatever_toml_brings_is_a_config_or_a_config_error(values, foreign):
    data = dict(foreign)
    for (table, key), value in values.items():
        if isinstance(data.setdefault(table, {}), dict):
            data[table][key] = value
    try:
        config = Config.from_dict(data)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 (either outcome is right)
    else:
        assert config.search.datasets
        assert 1 <= config.download.workers <= 64


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, derandomize=False)
@given(st.text(max_size=200))
@pytest.mark.faults("D02")
def test_D02_any_text_as_a_file_is_a_config_or_a_config_error(text):
    from landsat_async.config import _parse_toml

    try:
        _parse_toml(text, "c.toml")
    except ConfigError:
        pass


@pytest.mark.parametrize("data", [[1], None, "text", 1, [("search", {})]])
def test_something_that_is_no_dict_is_a_config_error(data):
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(data)
    assert type(data).__name__ in str(caught.value)
    assert caught.value.problems


@pytest.mark.parametrize(
    ("search", "noted"),
    [
        ({"min_coverage": 0.5}, True),
        ({"min_coverage": 0.0}, False),
        ({"min_coverage": 0.5, "bbox": [1, 2, 3, 4]}, False),
        ({"min_coverage": 0.5, "aoi": "a.geojson"}, False),
    ],
)
def test_a_minimum_coverage_of_no_area_is_noted(search, noted):
    config = Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2", **search}})
    assert any("min_coverage has no effect" in note for note in config.notes) is noted


@pytest.mark.parametrize(
    ("dataset", "pair", "good"),
    [
        ("landsat_ot_c2_l2", "233248", True),
        ("landsat_ot_c2_l2", "234001", False),
        ("landsat_etm_c2_l1", "251001", False),
        ("landsat_tm_c2_l1", "240001", False),
        ("landsat_mss_c2_l1", "251001", True),
        ("landsat_mss_c2_l1", "252001", False),
        ("landsat_ot_c2_l2", "233249", False),
    ],
)
def test_a_path_beyond_the_reference_system_of_its_dataset_is_refused(dataset, pair, good):
    data = {"search": {"dataset": dataset, "path_row": [pair]}}
    if good:
        assert Config.from_dict(data).search.path_row
    else:
        with pytest.raises(ConfigError, match="does not exist"):
            Config.from_dict(data)


@pytest.mark.faults("N25")
def test_N25_all_wrong_items_of_a_list_are_told_at_once():
    wrong = [f"no id {n}" for n in range(9)]
    with pytest.raises(ConfigError) as refused:
        Config.from_dict(
            {"search": {"scenes": ["LC80040532024187LGN00", "", *wrong]}, "select": {"bands": ["a b", "c/d"]}}
        )
    (scenes,) = (problem for problem in refused.value.problems if "search.scenes" in problem)
    (bands,) = (problem for problem in refused.value.problems if "select.bands" in problem)
    assert "''" in scenes
    assert "'no id 3'" in scenes
    assert "and 5 more" in scenes
    assert "'a b'" in bands
    assert "'c/d'" in bands


@pytest.mark.parametrize(
    ("written", "both"), [("400k", '"400 kB" .* or "400 KiB"'), ("1.5G", '"1.5 GB" .* or "1.5 GiB"')]
)
def test_Y85_a_unit_of_one_letter_is_answered_with_the_two_that_it_may_mean(written, both):
    data = {"search": {"dataset": "landsat_ot_c2_l2", "bbox": [0, 0, 1, 1]}, "download": {"max_rate": written}}
    with pytest.raises(ConfigError, match=both):
        Config.from_dict(data)
