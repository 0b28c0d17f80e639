"""A demo cluster on the wire with a clock that stands still, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.cluster import RunningCluster, running_cluster


@pytest.fixture
async def cluster() -> AsyncIterator[RunningCluster]:
    """A small cluster in which nothing happens by itself."""
    async with running_cluster(size=12) as running:
        yield running


@pytest.fixture
async def admin(cluster: RunningCluster) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that may do everything."""
    async with cluster.session("admin") as session:
        yield session
