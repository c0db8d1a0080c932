"""The server of `cip app`, in a thread of the test process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from cip_assets.app.server import Site, application
from cip_assets_tests.integration.dagster_page import wait_for


@contextmanager
def served(site: Site, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the pages on a free port; the address."""
    server = uvicorn.Server(
        uvicorn.Config(application(site, host), host="127.0.0.1", port=0, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started or None, "the start of the server")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
