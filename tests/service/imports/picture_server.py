"""A web server of pictures in a thread, for tests that run event loops of their own."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Photo = Callable[[int], bytes]

FEEDS = Path(__file__).parent.parent / "feeds" / "fixtures"
HOSTS = (
    "https://img.shop.example",
    "https://cdn.shopify.example",
    "//cdn.shopify.example",
    "https://shop.example",
)


@dataclass
class Pictures:
    """The running server.

    Attributes:
        bodies: by path, in place of the photo that every other path has.
        gone: paths that answer 404.
        asked: every path asked for, in order.
        on_request: called with each path before it is answered.
    """

    photo: Photo
    port: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    on_request: Callable[[str], None] = lambda path: None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def body(self, path: str) -> bytes:
        """A photo that depends on the path; few, so that the network has little to do."""
        return self.bodies.get(path, self.photo(sum(path.encode()) % 5))

    def localised(self, fixture: str, folder: Path) -> Path:
        """A copy of a feed whose pictures are all here."""
        text = (FEEDS / fixture).read_text(encoding="utf-8")
        for host in HOSTS:
            text = text.replace(host, self.url(""))
        copy = folder / fixture
        copy.write_text(text, encoding="utf-8", newline="")
        return copy


@contextlib.contextmanager
def serving_pictures(photo: Photo) -> Iterator[Pictures]:
    pictures = Pictures(photo)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            pictures.on_request(self.path)
            pictures.asked.append(self.path)
            body = b"" if self.path in pictures.gone else pictures.body(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pictures.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield pictures
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
