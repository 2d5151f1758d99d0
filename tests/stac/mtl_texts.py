"""Metadata files for tests: made up, in the layout of the real ones."""

from __future__ import annotations

L2 = "LC08_L2SP_004053_20240705_20240714_02_T1"
L1 = "LE07_L1TP_004053_20010705_20200917_02_T1"

GROUPS = {
    "PRODUCT_CONTENTS": {
        "DIGITAL_OBJECT_IDENTIFIER": "https://doi.org/10.5066/P9OGBGM6",
        "LANDSAT_PRODUCT_ID": L2,
        "PROCESSING_LEVEL": "L2SP",
    },
    "IMAGE_ATTRIBUTES": {
        "NADIR_OFFNADIR": "NADIR",
        "DATE_ACQUIRED": "2024-07-05",
        "SCENE_CENTER_TIME": "14:50:01.1234567Z",
        "CLOUD_COVER": "4.27",
        "CLOUD_COVER_LAND": "4.30",
        "ROLL_ANGLE": "-0.001",
        "SUN_AZIMUTH": "-112.5",
        "SUN_ELEVATION": "54.9",
    },
    "PROJECTION_ATTRIBUTES": {
        "UTM_ZONE": "19",
        "GRID_CELL_SIZE_REFLECTIVE": "30.00",
        "REFLECTIVE_LINES": "7741",
        "REFLECTIVE_SAMPLES": "7611",
        "CORNER_UL_PROJECTION_X_PRODUCT": "365700.000",
        "CORNER_UL_PROJECTION_Y_PRODUCT": "1219500.000",
        "CORNER_UL_LAT_PRODUCT": "11.0",
        "CORNER_UL_LON_PRODUCT": "-68.2",
        "CORNER_UR_LAT_PRODUCT": "11.0",
        "CORNER_UR_LON_PRODUCT": "-66.2",
        "CORNER_LL_LAT_PRODUCT": "9.0",
        "CORNER_LL_LON_PRODUCT": "-68.2",
        "CORNER_LR_LAT_PRODUCT": "9.0",
        "CORNER_LR_LON_PRODUCT": "-66.2",
    },
    "LEVEL2_PROCESSING_RECORD": {"DATE_PRODUCT_GENERATED": "2024-07-14T05:45:26Z"},
    "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {"REFLECTANCE_MULT_BAND_4": "3e-05", "REFLECTANCE_ADD_BAND_4": "-0.3"},
    "LEVEL1_PROCESSING_RECORD": {"LANDSAT_SCENE_ID": "LC80040532024187LGN00"},
    "LEVEL1_RADIOMETRIC_RESCALING": {
        "RADIANCE_MULT_BAND_6_VCID_1": "6.7E-02",
        "RADIANCE_ADD_BAND_6_VCID_1": "-0.06709",
        "RADIANCE_MULT_BAND_1": "NULL",
        "RADIANCE_ADD_BAND_1": "NULL",
    },
}


def groups(**changes: dict[str, str | None]) -> dict[str, dict[str, str]]:
    """Return the groups with other values; None takes a key away."""
    made = {}
    for name, rows in GROUPS.items():
        all_rows = {**rows, **changes.get(name, {})}
        made[name] = {key: value for key, value in all_rows.items() if value is not None}
    return made


def as_text(found: dict[str, dict[str, str]]) -> bytes:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, rows in found.items():
        lines += [f"  GROUP = {name}", *(f'    {key} = "{value}"' for key, value in rows.items())]
        lines.append(f"  END_GROUP = {name}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""]).encode()
