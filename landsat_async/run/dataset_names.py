"""Why a dataset was refused: unknown, ended, closed to the account, or one that holds no scenes."""

from __future__ import annotations

from collections.abc import Sequence

from landsat_async.errors import ConfigError, DatasetRefused, EndpointGone, LandsatError, RequestRefused
from landsat_async.m2m.client import M2MClient
from landsat_async.rules.datasets import FETCHED, facts_of
from landsat_async.rules.naming import shown
from landsat_async.rules.scene_ids import ended_dataset

_PRODUCTS_TOLD = 8
_CLOSED = ("DATASET_AUTH", "DATASET_UNAUTHORIZED")


async def dataset_refused(m2m: M2MClient, dataset: str, error: DatasetRefused) -> ConfigError:
    """Ask for the names there are, where that helps, and say what is wrong with this one."""
    aliases: list[str] = []
    try:
        if ended_dataset(dataset) is None:
            aliases = [entry.alias for entry in await m2m.dataset_search()]
    except LandsatError:
        pass  # the refusal says enough without the names
    message, hint = explain_refusal(dataset, error, aliases)
    return ConfigError(message, hint=hint, reference="dataset")


async def refuse_other(m2m: M2MClient, dataset: str) -> None:
    """Raise ConfigError, with the products, for a dataset of another mission: their files could not be proven.

    What M2M does not know either is refused by the search, with the nearest names.
    """
    if facts_of(dataset) is not None or dataset.lower().startswith("landsat_"):
        return
    try:
        names = await m2m.dataset_products(dataset)
    except DatasetRefused as error:
        raise await dataset_refused(m2m, dataset, error) from None
    except (EndpointGone, RequestRefused):
        names = ()
    listed = ", ".join(shown(name) for name in names[:_PRODUCTS_TOLD])
    more = f" and {len(names) - _PRODUCTS_TOLD} more" if len(names) > _PRODUCTS_TOLD else ""
    products = f" Its products ({listed}{more}) are not fetched." if names else ""
    raise ConfigError(
        f"search.dataset: {dataset} is of another mission.{products}",
        hint=f"This program is for {FETCHED}. Get others with EarthExplorer, https://earthexplorer.usgs.gov.",
        reference="dataset",
    )


def explain_refusal(dataset: str, error: DatasetRefused, aliases: Sequence[str]) -> tuple[str, str]:
    """Message and hint.

    Args:
        dataset: As the user wrote it.
        error: What the service said.
        aliases: Names of the datasets that the service lists for this account; may be empty.
    """
    if (ended := ended_dataset(dataset)) is not None:
        return f"search.dataset: {ended[0]}.", ended[1]
    listed = dataset.lower() in (alias.lower() for alias in aliases)
    if error.code in _CLOSED:
        return (
            f"search.dataset: USGS does not let this account use {dataset} ({error}).",
            "Ask for access at https://ers.cr.usgs.gov (Access Request), or take another dataset.",
        )
    if listed or error.code == "DATASET_ERROR":
        return (
            f"search.dataset: {dataset} cannot be searched for scenes ({error}).",
            "Take the dataset of the scenes, not that of their files: landsat-async datasets lists them.",
        )
    import difflib  # for a dataset that does not exist

    near = difflib.get_close_matches(dataset.lower(), aliases, 3, 0.5)
    near = near or [alias for alias in aliases if alias.startswith("landsat_")][:8]
    names = f"Nearest names: {', '.join(near)}. " if near else ""
    return f"search.dataset: USGS knows no dataset {dataset!r}.", f"{names}All names: landsat-async datasets"
