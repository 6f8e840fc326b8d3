"""A feed whose pictures a web server on this machine has."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.pictures import jpeg

PICTURES = 12
"""Different ones: few, so that the network has little to do."""


class FeedServer:
    """Serves in a thread until the block is left.

    Attributes:
        pictures: the different ones.
        asked: how often each path was asked for.
    """

    def __init__(self) -> None:
        self.pictures = [jpeg(number) for number in range(PICTURES)]
        self.asked: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def __enter__(self) -> "FeedServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def feed(self, products: int) -> bytes:
        """A Google text feed of products p1, p2 ... at 1, 2 ... EUR, each with its own address."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        lines = ["id\ttitle\timage_link\tprice"]
        lines += [f"p{n}\tGarment {n}\t{url}/{n}\t{n} EUR" for n in range(1, products + 1)]
        return "\n".join(lines).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked[self.path] += 1
                body = server.pictures[int(self.path[1:]) % PICTURES]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
