# SPDX-License-Identifier: Apache-2.0
"""The page and its data over HTTP, for one person on this machine.

Any page that a browser shows may send requests to 127.0.0.1. So every address begins with a secret, the Host header must be ours (a name
of somebody else's that points here, DNS rebinding, is not), and what changes labels must come from our own page.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from mtl_perception.core.drawing import class_color
from mtl_perception.data.errors import DataError
from mtl_perception.prediction.labelling.proposals import Proposals
from mtl_perception.prediction.labelling.store import LabelStore, RefusedLabels

HOST = "127.0.0.1"
MOST_JSON_BYTES = 4_000_000
MOST_MASK_BYTES = 64_000_000
_PAGE = Path(__file__).parent
_FILES = {"": ("label.html", "text/html"), "label.js": ("label.js", "text/javascript"), "label.css": ("label.css", "text/css")}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


class LabelServer(ThreadingHTTPServer):
    """Serves ``store`` on 127.0.0.1.

    Args:
        port: 0: a free one.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, store: LabelStore, proposals: Proposals, port: int = 0) -> None:
        self.store, self.proposals, self.token = store, proposals, secrets.token_urlsafe(16)
        super().__init__((HOST, port), _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def address(self) -> str:
        """Where the page is; whoever knows it can read and change the labels."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Values that the Host header may have."""
        return f"{HOST}:{self.port}", f"localhost:{self.port}"


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    server_version, sys_version = "mtl-perception", ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(
            {"state": self._state, "next": self._next, "image": self._image, "labels": self._labels, "mask": self._mask}, is_read=True
        )

    def do_PUT(self) -> None:
        self._answer({"labels": self._save, "mask": self._save_mask})

    def do_POST(self) -> None:
        self._answer({"classes": self._add_class})

    def log_message(self, format: str, *args: Any) -> None:
        pass  # the address holds the secret

    # -----------------------------------------------------------------------------------------------------------------

    def _answer(self, routes: dict[str, Callable[[str], None]], is_read: bool = False) -> None:
        try:
            if self.headers.get("Host") not in self.server.hosts:
                raise _Refused(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 alone")
            token, _, path = urlsplit(self.path).path[1:].partition("/")
            if not secrets.compare_digest(token.encode(), self.server.token.encode()):
                raise _Refused(HTTPStatus.FORBIDDEN, "open the whole address that mtl-perception label has printed")
            if not is_read and self.headers.get("Origin") not in {f"http://{host}" for host in self.server.hosts}:
                raise _Refused(HTTPStatus.FORBIDDEN, "labels are changed by this server's own page alone")
            if is_read and path in _FILES:
                name, kind = _FILES[path]
                self._send((_PAGE / name).read_bytes(), f"{kind}; charset=utf-8")
                return
            what, _, name = path.partition("/")
            if what not in routes:
                raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
            routes[what](unquote(name))
        except _Refused as error:
            self._send_error(error.status, str(error))
        except KeyError as error:
            self._send_error(HTTPStatus.NOT_FOUND, f"there is no picture {str(error)[:200]}")
        except (RefusedLabels, DataError) as error:
            self._send_error(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self._send_error(HTTPStatus.INSUFFICIENT_STORAGE, str(error))

    def _send(self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(content)), **(more or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def _send_json(self, content: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(content, allow_nan=False).encode(), "application/json", status)

    def _send_error(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True  # what the request still holds is not read
        self._send_json({"error": text}, status)

    def _body(self, most_bytes: int) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "the request says no length")
        if int(length) > most_bytes:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request is of {length} bytes, expected at most {most_bytes}")
        content = self.rfile.read(int(length))
        if len(content) < int(length):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the request breaks off")
        return content

    def _json(self) -> dict[str, Any]:
        try:
            content = json.loads(self._body(MOST_JSON_BYTES))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the request is no JSON") from None
        if not isinstance(content, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the request is no JSON object")
        return content

    # -----------------------------------------------------------------------------------------------------------------

    def _state(self, name: str) -> None:
        store, proposals = self.server.store, self.server.proposals
        done = [picture for picture in store.pictures if store.is_done(picture)]
        self._send_json(
            {
                "name": store.root.name, "classes": _colored(store.classes), "mask_classes": _colored(store.mask_classes),
                "pictures": store.pictures, "done": done, "asked": proposals.known, "broken": proposals.broken,
            }
        )  # fmt: skip

    def _next(self, skipped: str) -> None:
        self._send_json({"picture": self.server.proposals.next(frozenset(skipped.split("|")))})

    def _image(self, name: str) -> None:
        path = self.server.store.image_file(name)
        self.server.store.size(name)  # a file that is no picture is not given away
        self._send(path.read_bytes(), _KINDS[path.suffix.lower()])

    def _labels(self, name: str) -> None:
        store = self.server.store
        width, height = store.size(name)
        done = store.is_done(name)
        proposals = [] if done else self.server.proposals.boxes(name)
        self._send_json({"objects": store.objects(name), "proposals": proposals, "done": done, "width": width, "height": height})

    def _mask(self, name: str) -> None:
        store = self.server.store
        store.image_file(name)
        saved = store.mask_file(name).read_bytes() if store.has_mask(name) else None
        content = saved or self.server.proposals.mask(name)
        if content is None:
            self._send(b"", "image/png", HTTPStatus.NO_CONTENT)
        else:
            self._send(_opaque(content), "image/png", more={"X-Saved": str(int(saved is not None))})

    def _save(self, name: str) -> None:
        content = self._json()
        objects, done = content.get("objects"), content.get("done")
        if not isinstance(objects, list) or not all(isinstance(obj, dict) for obj in objects) or not isinstance(done, bool):
            raise _Refused(HTTPStatus.BAD_REQUEST, "expected objects, a list, and done, true or false")
        self.server.store.image_file(name)
        self._send_json({"ids": self.server.store.save(name, objects, done)})

    def _save_mask(self, name: str) -> None:
        store = self.server.store
        store.image_file(name)
        content = self._body(MOST_MASK_BYTES)
        if not content:
            store.save_mask(name, None)
        else:
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            if pixels is None:
                raise _Refused(HTTPStatus.BAD_REQUEST, "the request is no PNG")
            store.save_mask(name, np.ascontiguousarray(pixels[..., 2]))
        self._send_json({})

    def _add_class(self, name: str) -> None:
        self.server.store.add_class(str(self._json().get("name", "")))
        self._send_json({"classes": _colored(self.server.store.classes)})


def _colored(names: list[str]) -> list[dict[str, str]]:
    return [{"name": name, "color": "#{:02x}{:02x}{:02x}".format(*class_color(name))} for name in names]


def _opaque(png: bytes) -> bytes:
    """A PNG of ids as grey RGB, which a canvas reads back as they are."""
    ids = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.imencode(".png", cv2.cvtColor(ids, cv2.COLOR_GRAY2BGR))[1].tobytes()
