"""An S3 server for the tests (moto), and data folders in buckets of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import obstore
import pytest
from obstore.store import S3Store

from cip_assets.config.settings import Settings

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
"""A process of its own: a library that waits for it might keep its threads from answering."""


@dataclass(frozen=True)
class Shop:
    """A data folder in a bucket, empty at first; ``settings`` are those of one machine."""

    settings: Settings
    store: S3Store
    client: Any

    def put(self, name: str, content: bytes) -> None:
        # Not by obstore, which refuses names that others can give.
        self.client.put_object(Bucket=self.store.config["bucket"], Key=f"shop/{name}", Body=content)

    def names(self) -> set[str]:
        found = obstore.list(self.store, "shop").collect()
        return {each["path"].removeprefix("shop/") for each in found}

    def content(self, name: str) -> bytes:
        return bytes(obstore.get(self.store, f"shop/{name}").bytes())

    def land(self, folder: Path) -> None:
        """Put the files of a landing folder into the bucket."""
        for path in folder.rglob("*.csv"):
            self.put(f"landing/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def elsewhere(self, folder: Path) -> Settings:
        """The settings of another machine, which has no copies yet."""
        return Settings(folder, self.settings.engine, self.settings.bucket)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of the server, which the variables of this process name."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield endpoint
    process.stdin.close()
    process.stdout.close()
    process.wait()


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A data folder in a bucket of its own."""
    name = f"b-{os.getpid()}-{abs(hash(tmp_path))}"
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket=name)
    monkeypatch.setenv("CIP_WORK_DIR", str(tmp_path / "here"))
    return Shop(Settings.at(f"s3://{name}/shop", "sail"), S3Store(name), client)
