"""A local S3 server, and web servers of files."""

from __future__ import annotations

import functools
import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "aws_region": "us-east-1"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the address of a local S3 server, with a bucket "cubes"."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {key.removeprefix("aws_"): value for key, value in KEYS.items()}
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=keys["region"],
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )
    client.create_bucket(Bucket="cubes")
    try:
        yield url
    finally:
        server.stop()


@contextmanager
def answering(handler: Any) -> Iterator[str]:
    """Yield the address of a web server with a handler of requests."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


def always(status: int, body: bytes = b"") -> type[http.server.BaseHTTPRequestHandler]:
    """Return a handler that answers every request alike."""

    class Same(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            return

    return Same


class _Ranged(_Quiet):
    """Files with byte ranges, which object storage and web space have and http.server lacks."""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        path = self.translate_path(self.path)
        if not wanted.startswith("bytes="):
            super().do_GET()
            return
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - what translate_path returns
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(data) - int(last))
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(data[start:stop])


def web_space(folder: Path) -> Any:
    """Yield the address of a folder on a plain web server with byte ranges and without listings."""
    return answering(functools.partial(_Ranged, directory=str(folder)))
