"""Data that opens by itself: STAC items, collections and catalogue, VRTs and tables of scenes, as pure values.

What is read and written stands in `run/outputs`; here facts go in and documents come out.

    MTL ──► mtl ────────┐
    TIFF ─► pixel_grid ─┼─► assets, item ─► collection
    ledger ─────────────┘          ├──────► vrt
                                   └──────► scene_table
"""
