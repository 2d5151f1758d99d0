"""Ids of filter fields and products that the service itself uses, as far as they are public; others are made up."""

from __future__ import annotations

FILTER_IDS: dict[str, dict[str, str]] = {
    "landsat_ot_c2_l1": {
        "Landsat Product Identifier L1": "5e81f14fe3c40983",
        "WRS Path": "5e81f14f8faf8048",
        "WRS Row": "5e81f14f8d2a7c24",
        "Satellite": "61af93b8fad2acf5",
        "Sensor Identifier": "5e81f14f85d499dc",
        "Day/Night Indicator": "5e81f14f61bda7c4",
        "Nadir/Off Nadir": "5e81f150e42bc489",
        "Data Type L1": "5e81f14fcf660794",
        "Collection Category": "5e81f14fff5055a3",
        "Date Product Generated L1 (YYYY/MM/DD)": "5e81f15023925fb4",
        "Geometric RMSE Model (meters)": "5e81f14f830b749b",
        "Landsat Scene Identifier": "5e81f14fbba2e223",
    },
    "landsat_ot_c2_l2": {
        "Landsat Product Identifier L2": "5e83d14f567d0086",
        "Landsat Scene Identifier": "5e83d14fc84c9a78",
        "WRS Path": "5e83d14fb9436d88",
        "WRS Row": "5e83d14ff1eda1b8",
        "Satellite": "61af9273566bb9a8",
        "Sensor Identifier": "5e83d14fc6e09eb6",
        "Nadir/Off Nadir": "5f6aa429b870fd7f",
        "Collection Category": "5f6a6fb2137a3c00",
        "Date Product Generated L2 (YYYY/MM/DD)": "5f6a6f82795f1b6c",
    },
    "landsat_tm_c2_l1": {
        "Landsat Product Identifier L1": "5e83d0a075cea58a",
        "Landsat Scene Identifier": "5e83d0a0fbbd1ca1",
        "WRS Path": "5e83d0a017869321",
        "WRS Row": "5e83d0a0f068314e",
        "Satellite": "5e83d0a072ef8b3f",
        "Day/Night Indicator": "5e83d0a031010d95",
        "Data Type L1": "5e83d0a04e6ad4d2",
        "Collection Category": "5e83d0a09419d091",
        "Date Product Generated L1 (YYYY/MM/DD)": "5e83d0a07fd62bbf",
        "Geometric RMSE Model (meters)": "5e83d0a0fe02620e",
    },
}
"""Alias -> id of each filter field by its label."""

PRODUCT_IDS = {
    "landsat_ot_c2_l1": {
        "dds_ms": "632211e26883b1f7",
        "ls_zip": "5e81f14f92acf9ef",
        "folder_1": "73ceb05468b7e8c2",
        "folder_2": "6447cc2e2a09aab6",
    },
    "landsat_ot_c2_l2": {
        "dds_ms": "632210d4770592cf",
        "ls_zip": "5e83d14fec7cae84",
        "folder_1": "6448198c62023764",
        "folder_2": "6448198cc7b442a4",
    },
}
"""Alias -> id of a product by the storage system that has it."""
