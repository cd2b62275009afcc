"""The misbehaving mirror: effects of its connections on a plain client, and properties of every fault."""

from __future__ import annotations

import gzip
import http.client
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.plain_client import BODY, FILE, MODIFIED, Client, make_root, misbehaving, seen

from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import KINDS, Fault, Faults, Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that is served."""
    return make_root(tmp_path_factory.mktemp("server"))


class TestConnections:
    """Faults of the connection."""

    def test_reset_before_the_answer(self, root: Path) -> None:
        """The connection breaks before the first byte; the next request of the path is served."""
        with misbehaving(root, Fault(kind="reset", attempts=(1,))) as (_, client):
            with pytest.raises(ConnectionResetError, match="reset"):
                client.get()
            client.close()

            assert client.get().body == BODY

    def test_cut(self, root: Path) -> None:
        """The head is correct, a number of bytes arrives, then the connection is reset."""
        answer = seen(root, "cut", after=1000)

        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(BODY)))
        assert answer.body == BODY[:1000]
        assert answer.broken

    def test_short(self, root: Path) -> None:
        """The head is correct, a number of bytes arrives, then the connection is closed normally."""
        with misbehaving(root, Fault(kind="short", after=1000)) as (_, client):
            client.http.request("GET", FILE)
            response = client.http.getresponse()
            with pytest.raises(http.client.IncompleteRead, match="1000 bytes read") as error:
                response.read()

        assert error.value.partial == BODY[:1000]

    @pytest.mark.parametrize("kind", ["cut", "short", "stall"])
    def test_a_break_never_sends_the_whole_body(self, root: Path, kind: Kind) -> None:
        """A break after the end takes place before the last byte."""
        with misbehaving(root, Fault(kind=kind, after=10**9)) as (mirror, client):
            client.http.request("GET", FILE)
            body = client.http.getresponse()

            assert body.read(len(BODY) - 1) == BODY[:-1]
            mirror.close()

    def test_stall(self, root: Path) -> None:
        """A number of bytes arrives, then none; the connection stays open until the mirror closes."""
        with misbehaving(root, Fault(kind="stall", after=1000)) as (mirror, client):
            client.http.request("GET", FILE)
            response = client.http.getresponse()
            begun = response.read(1000)
            assert client.http.sock is not None
            client.http.sock.settimeout(0.2)
            with pytest.raises(TimeoutError, match="timed out"):
                client.http.sock.recv(1)

            mirror.close()

            assert begun == BODY[:1000]
            assert client.http.sock.recv(1) == b""

    def test_trickle(self, root: Path) -> None:
        """From a certain byte, the body arrives at the given rate."""
        began = time.monotonic()
        answer = seen(root, "trickle", after=len(BODY) - 100, rate=500)

        assert answer.body == BODY
        assert time.monotonic() - began >= 0.2

    def test_trickle_of_100_bytes_a_second(self, root: Path) -> None:
        """The default rate is 100 B/s."""
        began = time.monotonic()
        answer = seen(root, "trickle", after=len(BODY) - 30)

        assert answer.body == BODY
        assert time.monotonic() - began >= 0.3

    def test_hangup_at_once(self, root: Path) -> None:
        """The connection ends after a complete response that did not announce it."""
        with misbehaving(root, Fault(kind="hangup", form="at-once")) as (_, client):
            answer = client.get()
            assert client.http.sock is not None

            assert "Connection" not in answer.headers
            assert answer.body == BODY
            assert client.http.sock.recv(1) == b""

    def test_hangup_at_the_worst_moment(self, root: Path) -> None:
        """The connection stays open until the next request is sent, and breaks without a response."""
        with misbehaving(root, Fault(kind="hangup", form="next-request", attempts=(1,))) as (mirror, client):
            first = client.get()
            with pytest.raises(ConnectionResetError, match="reset"):
                client.get()
            client.close()
            second = client.get()

        assert (first.body, second.body) == (BODY, BODY)
        assert [answer.attempt for answer in mirror.served] == [1, 2]

    def test_slow(self, root: Path) -> None:
        """Each answer waits, and its bytes come at a rate; every fault can be slow as well."""
        slow = Fault(kind="slow", latency=0.1, rate=len(BODY) * 5)
        with misbehaving(root, slow, Fault(kind="page", attempts=(2,))) as (mirror, client):
            began = time.monotonic()
            whole = client.get()
            middle = time.monotonic()
            page = client.get()
            end = time.monotonic()

        assert whole.body == BODY
        assert middle - began >= 0.3
        assert b"<html>" in page.body
        assert end - middle >= 0.1
        assert [answer.kind for answer in mirror.served] == ["slow", "page"]


class TestAll:
    """Properties of every kind."""

    @pytest.mark.parametrize("kind", sorted(set(KINDS) - {"reset"}))
    def test_head_has_no_body(self, root: Path, kind: Kind) -> None:
        """HEAD has no body to damage, and its response ends, whatever the fault."""
        rule = Fault(kind=kind, latency=0.01) if kind == "slow" else Fault(kind=kind)
        with misbehaving(root, rule) as (_, client):
            answer = client.get(method="HEAD", Range="bytes=5-")

        assert answer.body == b""

    @pytest.mark.parametrize(
        "kind", ["cut", "stall", "short", "trickle", "length", "no-length", "flip", "encoded"]
    )
    def test_an_empty_body(self, root: Path, kind: Kind) -> None:
        """A body without a byte cannot be damaged, and is still sent."""
        with misbehaving(root, Fault(kind=kind)) as (_, client):
            empty = client.get("/bin/empty.tar")
            unchanged = client.get(If_Modified_Since=MODIFIED)

        assert empty.body == (gzip.compress(b"", 1, mtime=0) if kind == "encoded" else b"")
        assert (unchanged.status, unchanged.body) == (304, b"")

    @pytest.mark.parametrize("kind", sorted(set(KINDS) - {"reset", "slow", "stall", "trickle"}))
    def test_a_missing_file(self, root: Path, kind: Kind) -> None:
        """A missing file is answered, without a status of success except for a login page."""
        answer = seen(root, kind, path="/bin/none", headers={"Range": "bytes=5-"})

        assert answer.status >= 300 or kind == "page"

    def test_a_seed_determines_the_faults(self, root: Path) -> None:
        """Which requests and bytes are affected depends neither on the order of requests nor on threads."""
        rules = Fault(kind="cut", share=0.4), Fault(kind="flip", share=0.5), Fault(kind="503", share=0.3)
        requests = [f"{FILE}?{n}" for n in range(20)]
        paths = ["/bin/a.tar.gz", "//bin/a.tar.gz", "/bin//a.tar.gz"]

        def run(workers: int) -> set[tuple[str, int, str, int]]:
            with (
                Mirror(root, faults=Faults(rules=rules, seed=5)) as mirror,
                ThreadPoolExecutor(workers) as pool,
            ):

                def ask(target: str) -> None:
                    with closing(Client(mirror)) as client:
                        client.get(target)

                list(pool.map(ask, random.sample([path + r[13:] for path in paths for r in requests], 60)))
                return {(each.path, each.attempt, each.kind, each.sent) for each in mirror.served}

        once, again = run(1), run(8)

        assert once == again
        assert {kind for _, _, kind, _ in once} == {"", "cut", "flip", "503"}

    def test_requests_are_recorded(self, root: Path) -> None:
        """Each request is recorded with its target, fault, number of bytes sent, and time."""
        began = time.monotonic()
        with misbehaving(
            root, Fault(kind="503", attempts=(1,)), Fault(kind="cut", after=9, attempts=(2,))
        ) as both:
            mirror, client = both
            client.get()
            client.get(f"{FILE}?query", Range="bytes=5-")
            client.get("/bin/a%2Etar.gz")
        kinds = [(each.path, each.attempt, each.kind, each.range, each.status) for each in mirror.served]

        assert kinds == [(FILE, 1, "503", "", 503), (FILE, 2, "cut", "bytes=5-", 206), (FILE, 3, "", "", 200)]
        assert [each.sent for each in mirror.served[1:]] == [9, len(BODY)]
        assert began <= mirror.served[0].moment <= mirror.served[2].moment <= time.monotonic()

    def test_without_faults_nothing_is_recorded(self, root: Path) -> None:
        """A mirror without faults keeps no record, however long it runs."""
        with Mirror(root) as mirror, closing(Client(mirror)) as client:
            client.get()

        assert mirror.served == ()

    @pytest.mark.parametrize(
        "rule",
        [
            Fault(kind="stall"),
            Fault(kind="trickle", after=0, rate=1),
            Fault(kind="slow", latency=600),
            Fault(kind="slow", rate=1),
            Fault(kind="hangup", form="next-request"),
        ],
        ids=lambda rule: f"{rule.kind}-{rule.form}{rule.latency or ''}",
    )
    def test_closing_ends_all(self, root: Path, rule: Fault) -> None:
        """However long a response takes, the mirror closes at once, and leaves no thread."""
        before = set(threading.enumerate())
        with Mirror(root, faults=Faults(rules=(rule,))) as mirror:
            clients = [Client(mirror) for _ in range(8)]
            for client in clients:
                client.http.request("GET", FILE)
            deadline = time.monotonic() + 10
            while len(mirror.served) < len(clients) and time.monotonic() < deadline:
                threading.Event().wait(0.001)
            began = time.monotonic()
        while left := set(threading.enumerate()) - before:
            left.pop().join(10)
        took = time.monotonic() - began
        for client in clients:
            client.close()

        assert took < 2

    def test_a_client_that_leaves_leaves_no_thread(self, root: Path) -> None:
        """A client that leaves during a stall is not waited for."""
        with misbehaving(root, Fault(kind="stall", after=10)) as (_, client):
            before = set(threading.enumerate())
            client.http.request("GET", FILE)
            client.http.getresponse().read(10)
            (thread,) = set(threading.enumerate()) - before
            client.close()
            thread.join(10)

            assert not thread.is_alive()

    def test_waiting_connections_use_little_cpu(self, root: Path) -> None:
        """Many slow connections at a time use little processor time."""
        with misbehaving(root, Fault(kind="slow", latency=0.03, rate=len(BODY))) as (mirror, _):
            address = mirror.url.removeprefix("http://").split(":")
            connections = [socket.create_connection((address[0], int(address[1])), timeout=10) for _ in range(64)]
            for connection in connections:
                connection.sendall(f"GET {FILE} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            began, worked = time.monotonic(), time.process_time()
            bodies = [connection.makefile("rb").read() for connection in connections]
            took, worked = time.monotonic() - began, time.process_time() - worked
            for connection in connections:
                connection.close()

        assert all(body.endswith(BODY) for body in bodies)
        assert worked < took / 2
