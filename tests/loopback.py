"""A web server on this machine that serves files with ranges, and breaks in the ways in which servers and networks break."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Files by path, and what goes wrong with the next requests.

    Attributes:
        files: path -> bytes.
        faults: one is taken for each request: ``"cut N"`` closes the connection after N bytes, ``"stall N"`` falls silent after
            them; ``"status N"``; ``"claims N"`` states N bytes more than there are; ``"without length"``; ``"whole"`` ignores
            ranges; ``"shifted"`` sends another range than was asked for. ``""`` is none.
        ranges: the ranges that were asked for, None where none was.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.ranges: list[int | None] = []
        self.url = ""
        self.closing = threading.Event()


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            kind, _, value = (server.faults.pop(0) if server.faults else "").partition(" ")
            data = server.files.get(self.path)
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            server.ranges.append(int(asked[1]) if asked else None)
            self.close_connection = True
            if kind == "status" or data is None:
                self.send_error(int(value) if kind == "status" else 404)
                return
            tag = f'"{hashlib.sha1(data).hexdigest()}"'
            first = int(asked[1]) if asked else 0
            if kind == "whole" or self.headers.get("If-Range", tag) != tag:
                first, asked = 0, None
            if first >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if asked else 200)
            self.send_header("ETag", tag)
            extra = int(value) if kind == "claims" else 0
            if asked:
                shift = 1 if kind == "shifted" else 0
                self.send_header("Content-Range", f"bytes {first + shift}-{len(data) - 1}/{len(data) + extra}")
            if kind != "without":
                self.send_header("Content-Length", str(len(data) - first + extra))
            self.end_headers()
            count = int(value) if kind in ("cut", "stall") else len(data)
            with contextlib.suppress(OSError):
                self.wfile.write(data[first : first + count])
                self.wfile.flush()
            if kind == "stall":
                server.closing.wait(20)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        thread.join()
        http.server_close()
