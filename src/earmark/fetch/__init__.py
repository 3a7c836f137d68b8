"""Public data sets, fetched so that one is whole or not there at all: see `fetch` and `DATASETS`."""

from __future__ import annotations

from earmark.fetch.encoder import FetchedEncoder, fetch_encoder
from earmark.fetch.fetched import Fetched
from earmark.fetch.flow import fetch
from earmark.fetch.plan import Plan
from earmark.fetch.registry import DATASETS, Source
from earmark.fetch.told import Told

__all__ = ["DATASETS", "Fetched", "FetchedEncoder", "Plan", "Source", "Told", "fetch", "fetch_encoder"]
