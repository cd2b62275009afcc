"""Trust: which statements of a server count, and that nothing is disclosed to others."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trustme
from support.plans import BODY, get, plan_of
from support.servers import Reply, Server, serving

from radar_nb.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTEBOOK = """
import sys
from pathlib import Path
from support.plans import get, plan_of
from support.servers import Server
try:
    print(get(plan_of(Server(sys.argv[1]), Path(sys.argv[2]))).summary)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as running:
        yield running


def output(server: Server, folder: Path, **environment: str) -> str:
    """Return what a new process prints: certificates are read when a process starts."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", NOTEBOOK, server.url, folder],
        env={**clean, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_an_untrusted_certificate_is_refused(secure: Server, tmp_path: Path) -> None:
    """TLS is verified: a server with a self-signed certificate gets no request."""
    secure.script("/bin/a.tar", Reply(body=BODY))

    with pytest.raises(Refused, match=r"certificate of 127\.0\.0\.1 is not trusted .*SSL_CERT_FILE"):
        get(plan_of(secure, tmp_path))

    assert secure.requests == []


def test_the_users_own_authority_is_trusted(secure: Server, authority: trustme.CA, tmp_path: Path) -> None:
    """The authority in SSL_CERT_FILE is trusted."""
    secure.script("/bin/a.tar", Reply(body=BODY))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    assert output(secure, tmp_path, SSL_CERT_FILE=str(tmp_path / "ca.pem")).startswith("download: 1 done")
    assert (tmp_path / "bin" / "a.tar").read_bytes() == BODY


def test_a_redirect_from_https_to_http_is_refused(secure: Server, authority: trustme.CA, tmp_path: Path) -> None:
    """A redirect from https to http is refused before a request is sent there."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving() as plain:
        plain.script("/bin/a.tar", Reply(body=BODY))
        secure.script("/bin/a.tar", Reply(status=302, headers={"Location": f"{plain.url}/bin/a.tar"}))

        text = output(secure, tmp_path, SSL_CERT_FILE=str(tmp_path / "ca.pem"))

        assert text.startswith("Refused")
        assert "redirects from https to http" in text
        assert plain.requests == []


def test_no_cookie_is_kept_and_no_secret_sent(tmp_path: Path) -> None:
    """Cookies are not sent back, and a request contains only what it needs."""
    with serving() as server:
        for name in ("a.tar", "b.tar"):
            server.script(f"/bin/{name}", Reply(body=BODY, headers={"Set-Cookie": "who=me; Path=/"}))

        get(plan_of(server, tmp_path, "a.tar", "b.tar"), concurrency=1)

        sent = {name for request in server.requests for name in request.headers}
        assert sent == {"Host", "User-Agent", "Accept-Encoding", "Accept"}
