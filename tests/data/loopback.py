"""A server on this machine that does what each test wants it to do wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

PAGE = b"\n<!DOCTYPE html><html><title>Too many requests</title></html>"


class Loopback(ThreadingHTTPServer):
    """Serves `contents` by name. Each request is answered in the way that stands first in `script`, then as it should.

    "stall" and "hold" send half of what was asked for; "hold" sends the rest once `gate` is set.
    """

    daemon_threads = True

    def __init__(self, contents, script=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents, self.script = dict(contents), list(script)
        self.asked, self.sent = [], 0
        self.gate, self.half = Event(), Event()

    def handle_error(self, *_):
        """Whoever asked has gone: tests kill and stop them."""

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Loopback

    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", claimed=None, **headers):
        self.send_response(code)
        if claimed is not None or "Location" not in headers:
            self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.give(body)

    def give(self, body):
        self.wfile.write(body)
        self.wfile.flush()
        self.server.sent += len(body)

    def do_GET(self):
        server, name, wanted = self.server, self.path.rpartition("/")[2], self.headers["Range"]
        server.asked.append((self.path, wanted))
        way = server.script.pop(0) if server.script else "right"
        content = server.contents.get(name)
        if isinstance(way, int):
            return self.answer(way, PAGE)
        if way == "html":
            return self.answer(200, PAGE, Content_Type="application/octet-stream")
        if way == "silent":
            return server.gate.wait()
        if way == "redirect":
            return self.answer(302, Location=f"{server.address}/elsewhere/{name}")
        if way == "to a file":
            return self.answer(302, Location="file:///etc/passwd")
        if content is None:
            return self.answer(404, PAGE)
        at = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and way != "ignores range" else 0
        if at >= len(content) and wanted:
            return self.answer(416, Content_Range=f"bytes */{len(content)}")
        body, headers = content[at:], {}
        if at:
            began = at - 1 if way == "another range" else at
            headers["Content_Range"] = f"bytes {began}-{len(content) - 1}/{len(content)}"
        if way == "without length":
            self.send_response(200)
            self.end_headers()
            return self.give(body)
        if way == "broken chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            return self.give(b"%x\r\n" % len(body) + body[: len(body) // 2])
        if way == "cut":
            return self.answer(206 if at else 200, body[: len(body) // 2], claimed=len(body), **headers)
        if way in ("stall", "hold"):
            self.answer(206 if at else 200, body[: len(body) // 2], claimed=len(body), **headers)
            server.half.set()
            server.gate.wait()
            return self.give(body[len(body) // 2 :]) if way == "hold" else None
        return self.answer(206 if at else 200, body, **headers)


@contextmanager
def serving(contents, *script) -> Iterator[Loopback]:
    server = Loopback(contents, script)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
