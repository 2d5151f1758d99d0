"""What `download-options` offers, as plain values: the input of `rules.selection`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecondaryFile:
    """One single file of a scene, as one storage system offers it."""

    entity_id: str
    """Identifier of the file (L2SR_<product id>_SR_B3_TIF), for `download-request`."""
    display_id: str
    """File name (<product id>_SR_B3.TIF)."""
    product_id: str
    system: str
    """downloadSystem: ls_s3, dds ...; "" when not told."""
    available: bool
    bytes_nominal: int | None
    """Size as listed, often rounded; None when absent."""
    dataset_id: str | None
    """Secondary dataset; None when not told."""
    file_groups: tuple[str, ...] = ()
    """Groups that list the file; empty unless asked for."""


@dataclass(frozen=True, slots=True)
class ProductOption:
    """One product row of a scene: a bundle, a folder or a browse image."""

    entity_id: str
    display_id: str
    product_id: str
    product_name: str
    system: str
    """downloadSystem: ls_zip, dds_ms, folder, ls_frb, wms ...; "" when not told."""
    available: bool
    bytes_nominal: int | None
    dataset_id: str | None
    secondary: tuple[SecondaryFile, ...] = ()
    """The service hangs the same list under every row of a scene."""
