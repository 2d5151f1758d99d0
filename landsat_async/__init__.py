"""Asyncio downloader for Landsat Collection 2 from the USGS Machine-to-Machine API."""
