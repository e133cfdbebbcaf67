"""Webhooks on loopback: one that takes messages, refuses them, or never answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOKEN = "canary-Token-4711"


class Webhook:
    """
    ``with Webhook() as hook:`` keeps what is posted in `posted` and answers with `status`; while
    `hangs` is set, it answers nothing.
    """

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        self.hangs = False
        self.reached = threading.Event()
        self._ends = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.reached.set()
                if hook.hangs:
                    hook._ends.wait(30)
                    return
                if hook.status == 200:
                    hook.posted.append(body)
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quietly."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Its address as Apprise writes it, with a token in the path and a password."""
        return f"json://somebody:{TOKEN}-pass@127.0.0.1:{self._server.server_port}/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.posted]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def dead() -> str:
    """An address at which nobody listens."""
    with Webhook() as hook:
        return hook.url
