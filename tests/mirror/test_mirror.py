"""The mirror's server."""

from __future__ import annotations

import http.client
import os
import re
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radar_nb.dwd.listings import parse_listing
from radar_nb.errors import ServerError
from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = bytes(range(256)) * 40
LONG = "raa01-a-name-that-is-longer-than-fifty-characters-dwd---bin.gz"
ODD = "odd %41 & name; 'ü'.tar"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder with files of several kinds, and a secret next to it."""
    root = tmp_path_factory.mktemp("server") / "root"
    (root / "bin" / "2020").mkdir(parents=True)
    for name in ("a.tar", "b.tar.gz", "c.bz2", "d", LONG, ODD):
        (root / "bin" / name).write_bytes(BODY)
        os.utime(root / "bin" / name, (1561723200, 1561723200))  # 28-Jun-2019 12:00
    (root / "bin" / "empty.tar").touch()
    (root / "bin" / ".a.tar.synthetic").write_text("hidden")
    (root.parent / "secret").write_text("secret")
    return root


@pytest.fixture(scope="module")
def mirror(root: Path) -> Iterator[Mirror]:
    """Serve it."""
    with Mirror(root) as mirror:
        yield mirror


@pytest.fixture
def client(mirror: Mirror) -> Iterator[http.client.HTTPConnection]:
    """Open one connection."""
    connection = http.client.HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)
    yield connection
    connection.close()


def fetch(
    client: http.client.HTTPConnection, path: str, *, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response, response.read()


class TestFiles:
    """Responses for files."""

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.tar", "application/x-tar"),
            ("b.tar.gz", "application/gzip"),
            ("c.bz2", "application/x-bzip2"),
            ("d", "application/octet-stream"),
        ],
    )
    def test_whole(self, client: http.client.HTTPConnection, name: str, kind: str) -> None:
        """A file is sent with its type, size, date and validator, and is never encoded."""
        response, body = fetch(client, f"/bin/{name}", Accept_Encoding="gzip")

        assert (response.status, body) == (200, BODY)
        assert response.headers["Content-Type"] == kind
        assert response.headers["Content-Length"] == str(len(BODY))
        assert response.headers["Last-Modified"] == "Fri, 28 Jun 2019 12:00:00 GMT"
        assert response.headers["Accept-Ranges"] == "bytes"
        assert response.headers["ETag"].startswith('"')
        assert "Content-Encoding" not in response.headers

    @pytest.mark.parametrize("path", ["/bin/a.tar", "/bin/empty.tar", "/bin/", "/bin", "/none"])
    def test_head(self, client: http.client.HTTPConnection, path: str) -> None:
        """HEAD returns the headers of GET, without a body."""
        got, _ = fetch(client, path)
        head, nothing = fetch(client, path, method="HEAD")

        assert nothing == b""
        assert head.status == got.status
        assert dict(head.headers) | {"Date": ""} == dict(got.headers) | {"Date": ""}

    @given(first=st.integers(0, len(BODY) + 10), last=st.none() | st.integers(0, len(BODY) + 10))
    @settings(deadline=None, max_examples=60)
    def test_ranges_are_slices(self, mirror: Mirror, first: int, last: int | None) -> None:
        """A range is the named slice of the file, as its header says."""
        client = http.client.HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)
        response, body = fetch(client, "/bin/a.tar", Range=f"bytes={first}-{'' if last is None else last}")
        client.close()

        if last is not None and last < first:
            assert (response.status, body) == (200, BODY)
        elif first >= len(BODY):
            assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")
        else:
            expected = BODY[first:] if last is None else BODY[first : last + 1]
            end = first + len(expected) - 1
            assert (response.status, body) == (206, expected)
            assert response.headers["Content-Range"] == f"bytes {first}-{end}/{len(BODY)}"

    @pytest.mark.parametrize("count", [1, 1000, len(BODY), len(BODY) + 1])
    def test_suffix(self, client: http.client.HTTPConnection, count: int) -> None:
        """A range with only a number of bytes returns that many from the end."""
        response, body = fetch(client, "/bin/a.tar", Range=f"bytes=-{count}")

        assert (response.status, body) == (206, BODY[-count:])

    @pytest.mark.parametrize("text", ["bytes=0-1,4-5", "lines=0-1", "bytes=-", "bytes=x-1", "bytes"])
    def test_invalid_ranges_return_the_file(self, client: http.client.HTTPConnection, text: str) -> None:
        """Anything but one range of bytes returns the whole file."""
        response, body = fetch(client, "/bin/a.tar", Range=text)

        assert (response.status, body) == (200, BODY)

    @pytest.mark.parametrize(("path", "text"), [("/bin/a.tar", "bytes=-0"), ("/bin/empty.tar", "bytes=0-")])
    def test_an_empty_range(self, client: http.client.HTTPConnection, path: str, text: str) -> None:
        """A range without a byte is refused."""
        response, _ = fetch(client, path, Range=text)

        assert response.status == 416

    def test_if_range(self, client: http.client.HTTPConnection) -> None:
        """A range is sent only if the file is unchanged; otherwise the whole new file."""
        response, _ = fetch(client, "/bin/a.tar", method="HEAD")
        etag, modified = response.headers["ETag"], response.headers["Last-Modified"]

        def status(validator: str) -> int:
            return fetch(client, "/bin/a.tar", Range="bytes=5-", If_Range=validator)[0].status

        assert status(etag) == 206
        assert status(modified) == 206
        assert status('"other"') == 200
        assert status(f"W/{etag}") == 200
        assert status("Fri, 28 Jun 2019 12:00:01 GMT") == 200

    def test_unchanged(self, client: http.client.HTTPConnection) -> None:
        """A client that has the file gets no body; the validator takes precedence over the date."""
        response, _ = fetch(client, "/bin/a.tar", method="HEAD")
        etag, modified = response.headers["ETag"], response.headers["Last-Modified"]

        def status(**headers: str) -> int:
            return fetch(client, "/bin/a.tar", **headers)[0].status

        assert status(If_None_Match=etag) == 304
        assert status(If_None_Match=f'"x", W/{etag}') == 304
        assert status(If_None_Match="*") == 304
        assert status(If_Modified_Since=modified) == 304
        assert status(If_None_Match='"x"', If_Modified_Since=modified) == 200
        assert status(If_Modified_Since="Fri, 28 Jun 2019 11:59:59 GMT") == 200
        assert status(If_Modified_Since="some day") == 200

    def test_a_changed_file_has_another_etag(self, client: http.client.HTTPConnection, root: Path) -> None:
        """A replacement of the same size has another validator."""
        file = root / "bin" / "changing.tar"
        file.write_bytes(b"one")
        os.utime(file, ns=(10**18, 10**18))
        before, _ = fetch(client, "/bin/changing.tar")
        file.write_bytes(b"two")
        os.utime(file, ns=(10**18 + 1, 10**18 + 1))
        after, body = fetch(client, "/bin/changing.tar")
        file.unlink()

        assert body == b"two"
        assert before.headers["ETag"] != after.headers["ETag"]

    def test_keep_alive(self, client: http.client.HTTPConnection) -> None:
        """All requests use one connection, whatever their responses."""
        fetch(client, "/bin/a.tar")
        socket_used = client.sock
        for path in ("/none", "/bin", "/bin/", "/bin/empty.tar", "/bin/a.tar"):
            fetch(client, path)

        assert client.sock is socket_used is not None


class TestFolders:
    """Responses for folders."""

    def test_index_equals_nginxs(self, client: http.client.HTTPConnection) -> None:
        """An index page equals that of nginx's autoindex: shortened names, times, sizes."""
        response, body = fetch(client, "/bin/")
        lines = body.decode().split("\r\n")

        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert lines[:2] == ["<html>", "<head><title>Index of /bin/</title></head>"]
        assert lines[2:4] == ["<body>", '<h1>Index of /bin/</h1><hr><pre><a href="../">../</a>']
        assert lines[4].startswith('<a href="2020/">2020/</a>' + " " * 46)
        assert lines[4].endswith(" " * 19 + "-")
        assert f'<a href="a.tar">a.tar</a>{"":45} 28-Jun-2019 12:00 {len(BODY):>19}' in lines
        assert f'<a href="{LONG}">{LONG[:47]}..&gt;</a> 28-Jun-2019 12:00 {len(BODY):>19}' in lines
        assert lines[-3:] == ["</pre><hr></body>", "</html>", ""]

    def test_index_is_read_by_the_catalogue(self, client: http.client.HTTPConnection, root: Path) -> None:
        """The index lists the files with names like DWD's, with their sizes; others can be fetched too."""
        _, body = fetch(client, "/bin/")
        entries = parse_listing(body.decode(), url="/bin/")

        files = {file.name: file.stat().st_size for file in (root / "bin").iterdir() if file.is_file()}
        for none_of_dwd in (".a.tar.synthetic", "d", ODD):
            del files[none_of_dwd]
        assert {name: entry.size for name, entry in entries.items()} == files
        assert fetch(client, f"/bin/{quote(ODD)}")[1] == BODY

    def test_index_is_well_formed(self, client: http.client.HTTPConnection) -> None:
        """Unusual names break neither the page nor its addresses."""
        _, body = fetch(client, "/bin/")
        hrefs = re.findall('<a href="([^"<>]*)">', body.decode())

        assert len(hrefs) == 9
        assert quote(ODD) in hrefs

    def test_root(self, client: http.client.HTTPConnection) -> None:
        """The root has an index as well."""
        _, body = fetch(client, "/?C=M;O=A")

        assert b"<title>Index of /</title>" in body
        assert b'<a href="bin/">' in body

    @pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="file names are Unicode here")
    def test_a_name_in_no_encoding(self, client: http.client.HTTPConnection, root: Path) -> None:
        """A folder whose name is not UTF-8 is listed, redirected to and read like any other."""
        folder = Path(os.fsdecode(os.fsencode(root) + b"/od\xffd"))
        folder.mkdir(exist_ok=True)
        (folder / "a.tar").write_bytes(BODY)
        redirect, _ = fetch(client, "/od%ffd")
        _, listing = fetch(client, "/od%FFd/")
        _, body = fetch(client, "/od%ffd/a.tar")

        assert redirect.headers["Location"] == "/od%FFd/"
        assert b'<a href="a.tar">' in listing
        assert body == BODY

    @pytest.mark.parametrize("path", ["/bin", "//bin", "/bin?x"])
    def test_redirect(self, client: http.client.HTTPConnection, path: str) -> None:
        """A folder without a final slash is redirected, on the same server."""
        response, _ = fetch(client, path)

        assert (response.status, response.headers["Location"]) == (301, "/bin/")


class TestRefusals:
    """Refused requests."""

    @pytest.mark.parametrize(
        "path",
        [
            "/../secret",
            "/bin/../../secret",
            "/%2e%2e/secret",
            "/bin/%2e%2e%2f%2e%2e%2fsecret",
            "/..%2fsecret",
            "/bin/..\\..\\secret",
            "/bin/..%5c..%5csecret",
            "/%00",
            "/bin/a.tar%00.gz",
            "/bin/a.tar/",
            "/bin/.a.tar.synthetic",
            "/bin/%2Ea.tar.synthetic",
            "/unhidden",
            "/none",
            f"/{'x' * 5000}",
            f"/{'bin/../' * 2000}bin/a.tar",
            "/%252e%252e/secret",
            "/%c0%ae%c0%ae/secret",
            "/.%00./secret",
            "/bin/%0d%0aX-Injected:%20yes",
            "/bin/%ff%fe",
            "//../secret",
            "/c:/secret",
            "/c%3a%5csecret",
            "//server/share/secret",
            "/link",
            "/linked/secret",
            "/loop",
            "/dangling",
            "/fifo",
        ],
    )
    def test_nothing_outside_the_root(self, client: http.client.HTTPConnection, root: Path, path: str) -> None:
        """No path or link leads out of the root, to hidden files or to an error."""
        for name, target in (
            ("link", root.parent / "secret"),
            ("linked", root.parent),
            ("unhidden", root / "bin" / ".a.tar.synthetic"),
            ("loop", root / "loop"),
            ("dangling", root / "no"),
        ):
            if not (root / name).is_symlink():
                (root / name).symlink_to(target)

        if hasattr(os, "mkfifo") and not (root / "fifo").exists():
            os.mkfifo(root / "fifo")

        response, body = fetch(client, path)

        assert response.status == 404
        assert b"secret" not in body
        assert b"hidden" not in body
        assert "X-Injected" not in response.headers

    @pytest.mark.parametrize("secret", ["secret", "bin/.a.tar.synthetic"])
    def test_absolute_paths(self, client: http.client.HTTPConnection, root: Path, secret: str) -> None:
        """A path is relative to the root, even if it exists on the machine."""
        for path in (str(root.parent / secret), f"/{root.parent / secret}", f"/%2f{root.parent / secret}"):
            response, _ = fetch(client, path)

            assert response.status == 404

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
            (b"GET / HTTP/9.9\r\n\r\n", 505),
            (b"nonsense\r\n\r\n", 400),
        ],
    )
    def test_huge_requests(self, mirror: Mirror, text: bytes, status: int) -> None:
        """A request that is too long or invalid is refused without being read completely."""
        port = int(mirror.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as rude:
            with suppress(ConnectionError):
                rude.sendall(text)
            answer = rude.recv(300)

        assert str(status).encode() in answer

    def test_requests_that_do_not_end(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request sent byte by byte gets no more time than none."""
        monkeypatch.setattr("radar_nb.mirror.server._IDLE", 0.3)
        text = b"GET / HTTP/1.1\r\n" + b"X-Slow: y\r\n" * 1000
        with Mirror(root) as mirror:
            port = int(mirror.url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
                slow.settimeout(0.02)
                sent, cut = 0, False
                while not cut and sent < len(text):
                    with suppress(TimeoutError):
                        cut = slow.recv(1) == b""
                    with suppress(ConnectionError):
                        slow.send(text[sent : sent + 1])
                    sent += 1

        assert cut
        assert sent < 100

    def test_idle_connections_make_room(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Clients that hold all connections without a request block no others."""
        monkeypatch.setattr("radar_nb.mirror.server._MOST", 2)
        with Mirror(root) as mirror, ExitStack() as held:
            port = int(mirror.url.rpartition(":")[2])
            for _ in range(5):
                held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            body = fetch(client, "/bin/a.tar")[1]
            client.close()

        assert body == BODY

    def test_busy_connections_stay(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While every connection serves a request, another is closed."""
        monkeypatch.setattr("radar_nb.mirror.server._MOST", 2)
        with Mirror(root, faults=Faults(rules=(Fault(kind="stall", after=3),))) as mirror:
            address = mirror.url.removeprefix("http://")
            first, second, third = (http.client.HTTPConnection(address, timeout=10) for _ in range(3))
            for client in (first, second):
                client.request("GET", "/bin/a.tar")
                assert client.getresponse().read(3) == BODY[:3]
            with pytest.raises(
                (http.client.RemoteDisconnected, ConnectionError), match=r"Remote end closed|reset|pipe"
            ):
                fetch(third, "/bin/a.tar")
            for client in (first, second, third):
                client.close()

    @pytest.mark.parametrize(
        "span", ["bytes=" + "9" * 5000 + "-", "bytes=0-" + "9" * 5000, "bytes=-" + "9" * 5000]
    )
    def test_a_range_of_thousands_of_digits_is_ignored(
        self, client: http.client.HTTPConnection, span: str
    ) -> None:
        """The whole file is sent, as for other invalid ranges."""
        response, body = fetch(client, "/bin/a.tar", Range=span)

        assert (response.status, body) == (200, BODY)

    def test_a_link_that_leads_out_is_not_listed(self, root: Path, client: http.client.HTTPConnection) -> None:
        """Name, size and date of outside files are hidden; a link within the root is listed."""
        (root / "out").symlink_to(root.parent)
        (root / "within").symlink_to(root / "bin" / "a.tar")
        try:
            page = fetch(client, "/")[1]
        finally:
            (root / "out").unlink()
            (root / "within").unlink()

        assert b">out" not in page
        assert b">within<" in page

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_only_reading(self, client: http.client.HTTPConnection, method: str) -> None:
        """Only GET and HEAD are supported."""
        response, _ = fetch(client, "/bin/a.tar", method=method)

        assert response.status == 501

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])  # noqa: S104 - refused
    def test_loopback_only(self, root: Path, host: str) -> None:
        """The mirror listens on no address that another machine can reach."""
        with pytest.raises(ServerError, match=r"does not listen on .*only for this machine"):
            Mirror(root, host=host)

    def test_public(self, root: Path) -> None:
        """With public=True, it listens on all addresses, and returns one for this machine."""
        with Mirror(root, host="0.0.0.0", public=True) as mirror:  # noqa: S104 - what is tested
            client = http.client.HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)
            response, _ = fetch(client, "/bin/a.tar")
            client.close()

        assert mirror.url.startswith("http://127.0.0.1:")
        assert response.status == 200

    def test_port_taken(self, root: Path, mirror: Mirror) -> None:
        """The error for a used port names it and a remedy."""
        port = int(mirror.url.rpartition(":")[2])

        with pytest.raises(ServerError, match=rf"cannot listen on 127.0.0.1, port {port} .*choose another port"):
            Mirror(root, port=port)

    def test_invalid_port(self, root: Path) -> None:
        """An invalid port number raises."""
        with pytest.raises(ServerError, match="port 70000"):
            Mirror(root, port=70000)

    def test_no_folder(self, root: Path) -> None:
        """A root that is not a folder raises."""
        with pytest.raises(ServerError, match="it is not a folder"):
            Mirror(root / "bin" / "a.tar")


class TestLife:
    """Start and end of the server."""

    def test_closing_ends_all(self, root: Path) -> None:
        """A closed mirror answers no more, even on open connections, and frees its port."""
        with Mirror(root, host="localhost") as mirror:
            address = mirror.url.removeprefix("http://")
            client = http.client.HTTPConnection(address, timeout=10)
            fetch(client, "/bin/a.tar")
            assert client.sock is not None
            kept = client.sock
        mirror.close()

        assert kept.recv(1) == b""
        client.close()
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=10)
        with Mirror(root, port=int(address.rpartition(":")[2])):
            pass

    def test_serve_forever(self, root: Path) -> None:
        """A mirror in the foreground serves until it is closed."""
        mirror = Mirror(root)
        thread = threading.Thread(target=mirror.serve_forever)
        thread.start()
        client = http.client.HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)

        response, _ = fetch(client, "/bin/a.tar")
        client.close()
        mirror.close()
        thread.join(10)

        assert response.status == 200
        assert not thread.is_alive()

    def test_a_client_that_leaves_affects_no_other(
        self, client: http.client.HTTPConnection, mirror: Mirror
    ) -> None:
        """A client that leaves midway, or does not speak HTTP, affects no other client."""
        port = int(mirror.url.rpartition(":")[2])
        for text in (b"GET /bin/a.tar HTTP/1.1\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as rude:
                rude.sendall(text)

        assert fetch(client, "/bin/a.tar")[1] == BODY

    def test_many_at_a_time(self, mirror: Mirror) -> None:
        """Many connections are served at the same time, each with its own bytes."""
        address = mirror.url.removeprefix("http://")
        clients = [http.client.HTTPConnection(address, timeout=10) for _ in range(20)]
        for number, client in enumerate(clients):
            client.request("GET", "/bin/a.tar", headers={"Range": f"bytes={number}-"})

        bodies = [client.getresponse().read() for client in clients]
        for client in clients:
            client.close()

        assert bodies == [BODY[number:] for number in range(20)]
