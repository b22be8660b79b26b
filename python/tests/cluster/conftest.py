"""Batches over Ray, with the tests' tiny models: pip install 'emoengine[ray]' s3fs 'moto[server]'."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_worker_niceness="0",  # not 15, with which a busy machine starts a worker in minutes
    RAY_raylet_start_wait_time_s="120",
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="us-east-1",
)
from pairs import Pairs  # Ray reads its settings when it is imported


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    return Pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A client of a bucket server on loopback, which processes started later use, too."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    yield boto3.client("s3")
    del os.environ["AWS_ENDPOINT_URL"]
    server.stop()


@pytest.fixture(scope="session")
def one_machine(s3: Any) -> Iterator[None]:
    import ray
    from emoengine import batch

    batch._connect(None)
    yield
    ray.shutdown()
