import pytest

from landsat_async.rules.product_id import parse_product_id


@pytest.mark.faults("K35")
@pytest.mark.parametrize(
    ("display_id", "level", "tier", "dataset"),
    [
        ("LC08_L2SP_004053_20240705_20240712_02_T1", "L2SP", "T1", "landsat_ot_c2_l2"),
        ("LC08_L2SP_004053_20240705_20240712_02_A1", "L2SP", "A1", "landsat_ot_c2_l2"),
        ("LE07_L1TP_004053_20040705_20200712_02_A2", "L1TP", "A2", "landsat_etm_c2_l1"),
        ("LC08_CU_008001_20231101_20231116_02", "ARD", None, "landsat_ard_tile_c2"),
        ("LC08_CU_015007_20220416_20220423_02_BA", "BA", None, "landsat_ba_tile_c2"),
        ("LE07_AK_015007_20220416_20220423_02_DSWE", "DSWE", None, "landsat_dswe_tile_c2"),
        ("LC08_CU_015007_20220416_20220423_02_FSCA", "FSCA", None, "landsat_fsca_tile_c2"),
    ],
)
def test_K35_ids_of_every_tier_and_level_are_ids(display_id, level, tier, dataset):
    product = parse_product_id(display_id)
    assert (product.level, product.tier, product.dataset) == (level, tier, dataset)


def test_versions_of_different_products_of_one_tile_are_no_versions_of_each_other():
    tile = "LC08_CU_015007_20220416_20220423_02"
    keys = {parse_product_id(tile + suffix).version_key for suffix in ("", "_BA", "_DSWE", "_FSCA")}
    assert len(keys) == 4
