"""[select]: the type that a key implies, and keys that would have no effect."""

import pytest

from landsat_async.config import Config
from landsat_async.errors import ConfigError
from landsat_async.rules.select_type import choose_type


def config(**select):
    return Config.from_dict({"search": {"dataset": "landsat_ot_c2_l2"}, "select": select})


@pytest.mark.faults("M30")
@pytest.mark.parametrize(
    ("select", "kind"),
    [
        ({}, "bundle"),
        ({"bands": ["SR_B3"]}, "band"),
        ({"bands": []}, "bundle"),
        ({"file_groups": ["ls_c2l2_sr_band"]}, "band_group"),
        ({"type": "band_group"}, "band_group"),
        ({"type": "band", "bands": ["SR_B3"]}, "band"),
        ({"type": "bundle", "bands": []}, "bundle"),
        ({"products": ["*Reflectance*"]}, "product"),
        ({"type": "bundle", "products": ["*Reflectance*"]}, "product"),
    ],
)
def test_M30_a_key_that_names_files_implies_its_type(select, kind):
    assert config(**select).select.type == kind


@pytest.mark.faults("M30")
@pytest.mark.parametrize(
    ("select", "said"),
    [
        ({"type": "bundle", "bands": ["SR_B3"]}, 'select.bands: has no effect with type = "bundle"'),
        ({"type": "all", "bands": ["SR_B3"]}, 'select.bands: has no effect with type = "all"'),
        ({"type": "band_group", "bands": ["SR_B3"]}, 'select.bands: has no effect with type = "band_group"'),
        ({"type": "bundle", "file_groups": ["g"]}, 'select.file_groups: has no effect with type = "bundle"'),
        ({"type": "band", "file_groups": ["g"]}, 'select.bands: needed for type "band"'),
        ({"type": "all", "products": ["*"]}, 'select.products: has no effect with type = "all"'),
        ({"bands": ["SR_B3"], "file_groups": ["g"]}, "select.bands and select.file_groups: cannot be used together"),
    ],
)
def test_M30_a_key_of_another_type_is_refused_and_never_ignored(select, said):
    with pytest.raises(ConfigError) as caught:
        config(**select)
    (problem,) = caught.value.problems
    assert said in problem
    assert caught.value.exit_code == 2


@pytest.mark.faults("M30")
def test_M30_a_type_beside_its_own_key_is_a_choice_and_the_other_key_is_told():
    both = config(type="band", bands=["SR_B3"], file_groups=["g"])
    assert both.select.type == "band"
    assert both.notes == ('select.file_groups has no effect with type = "band"',)


@pytest.mark.faults("M30")
def test_M30_an_override_counts_like_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[search]\ndataset = "landsat_ot_c2_l2"\n')
    assert Config.load(path, overrides=['select.bands=["SR_B3"]'], environ={}).select.type == "band"
    with pytest.raises(ConfigError):
        Config.load(path, overrides=['select.bands=["SR_B3"]', "select.type=bundle"], environ={})


def test_nothing_more_is_said_of_a_value_that_was_refused():
    assert choose_type({"type": "band"}, {"select.bands"}) == ([], [])
