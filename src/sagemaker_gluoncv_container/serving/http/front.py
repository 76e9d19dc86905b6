"""The process that speaks HTTP: a gunicorn worker whose connections are greenlets, so that waiting costs no thread.

A request reaches the app when it is whole. Until then it is held to deadlines and to the memory there is.
"""

import io
import logging
import socket
import time
from typing import Any
from urllib.parse import unquote

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gunicorn import http
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.ggevent import GeventWorker
from werkzeug.exceptions import HTTPException

from ...errors import InvocationError, Overloaded
from .. import metrics
from ..settings import ServingSettings
from . import refusals
from .admission import Admission, Memory, Place
from .connection import BEGAN, BODY, Connection, Patience

logger = logging.getLogger(__name__)

# Of the 20 s that gunicorn gives us after SIGTERM; the rest is for what is being computed then.
_FINISH_SECONDS = 14
# A connection that is kept may bring one more request just now; it is closed so long after SIGTERM.
_LINGER_SECONDS = 2.0
# A body whose length is not known gets its place in steps that grow with it.
_STEP_BYTES, _MOST_BYTES = 8 << 10, 1 << 20
_REFUSED_AT_ONCE = 4
# What the kernel may keep for a connection that nobody reads from: it counts as the container's memory, too.
_KERNEL_BYTES = 1 << 17
# Connections that come in one burst are taken in so many steps, between which others get their turn.
_BURST = 64


class Front(GeventWorker):  # type: ignore[misc]
    """Serves connections, each in a greenlet, and loses none when it is told to stop."""

    def init_process(self) -> None:
        """Prepare what belongs to this process, not to gunicorn's master."""
        settings = ServingSettings.from_environment()
        self._patience = Patience(self.cfg.keepalive, settings.head_seconds, settings.body_bytes_per_second)
        self._admission = Admission(settings.max_payload, Memory())
        # In the order in which they began to wait for their next request.
        self._connections: dict[Connection, None] = {}
        self._stopping: Event | None = None
        # Thousands may be refused in one moment, when their time is over: pings must get in between.
        self._refusing = BoundedSemaphore(_REFUSED_AT_ONCE)
        super().init_process()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Begin to stop."""
        super().handle_exit(sig, frame)
        if self._stopping:
            self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop; then answer what was taken."""
        self._stopping = Event()
        self._name = self.sockets[0].getsockname()
        for listener in self.sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        accepting = [gevent.spawn(self._accept, listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        gevent.killall(accepting)
        self._finish()

    def _accept(self, listener: Any) -> None:
        taken = 0
        while True:
            client, address = listener.accept()
            self._open(client, address)
            taken += 1
            if taken % _BURST == 0:
                gevent.sleep(0)

    def _open(self, client: Any, address: Any) -> None:
        connection = Connection(client, self._patience, gevent.sleep)
        if len(self._connections) >= self.cfg.worker_connections and not self._make_room():
            error = Overloaded(f"There are {len(self._connections)} connections already", do="Try again a little later")
            gevent.spawn(self._refuse, connection, error)
            return
        self._connections[connection] = None
        gevent.spawn(self._serve, connection, address)

    def _make_room(self) -> bool:
        """Close the connection that has waited the longest without a whole request; return whether there was one."""
        waiting = next((each for each in self._connections if not each.is_busy), None)
        if waiting:
            self._connections.pop(waiting)
            waiting.close()
        return waiting is not None

    def _finish(self) -> None:
        """Take what the kernel has taken in our name, and then no more; answer it all in time."""
        for listener in self.sockets:
            listener.settimeout(0)
            while True:
                try:
                    self._open(*listener.accept())
                except OSError:
                    break
            # Else the kernel would go on taking connections, which nobody answers.
            listener.close()
        self.wsgi.extensions["dispatcher"].queue.finish(_FINISH_SECONDS)
        stopped = time.monotonic()
        while self._connections and (waited := time.monotonic() - stopped) < self.cfg.graceful_timeout:
            self.notify()
            if waited > _LINGER_SECONDS:
                for connection in [each for each in self._connections if each.is_idle]:
                    connection.close()
            gevent.sleep(0.02)

    def _serve(self, connection: Connection, address: Any) -> None:
        """Answer a connection's requests until one of us ends it."""
        parser = http.get_parser(self.cfg, connection, address)
        try:
            while self._answer_next(parser, connection, address):
                # To the end of the line: it is now the one that has come to wait last.
                self._connections.pop(connection, None)
                self._connections[connection] = None
        except OSError as error:
            logger.debug("A client is gone: %s", error)
        finally:
            self._connections.pop(connection, None)
            connection.close()

    def _answer_next(self, parser: Any, connection: Connection, address: Any) -> bool:
        """Read and answer the next request; return whether another may follow."""
        request = None
        connection.expect_request()
        try:
            request = next(parser)
            connection.expect_body()
            with self._admission.place(_length(request)) as place:
                return self._answer(request, place, connection, address)
        except StopIteration:
            return False
        except NoMoreData:
            # It is gone, or has sent only a part of a request and closed its side: there may be somebody who reads.
            if request is None:
                return False
            self._refuse(connection, NoMoreData(), request)
        except OSError:
            raise
        except InvocationError as error:
            self._refuse(connection, self._routing_error(request) or error, request)
        # The boundary of a connection: one of gunicorn's many errors, or a fault of ours. It ends with an answer.
        except Exception as error:  # noqa: BLE001
            self._refuse(connection, error, request)
        return False

    def _answer(self, request: Any, place: Place, connection: Connection, address: Any) -> bool:
        # It sends `100 Continue` if the client waits for it.
        response, environ = wsgi.create(request, connection, address, self._name, self.cfg)
        environ["wsgi.multithread"] = True
        body = _read(request, place)
        environ.update({BODY: body, BEGAN: connection.began, "wsgi.input": io.BytesIO(body)})
        parts = self.wsgi(environ, response.start_response)
        if not self.alive:
            # Asked as late as can be: a request may have waited since before SIGTERM, and a client that is told to keep
            # its connection sends the next request into one that is about to be closed.
            response.force_close()
        try:
            for part in parts:
                response.write(part)
                if response.chunked:
                    connection.flush()
            response.close()
            connection.flush()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return not response.should_close()

    def _routing_error(self, request: Any) -> HTTPException | None:
        """Return why the app would not have taken a request at all, whatever its body."""
        try:
            self.wsgi.url_map.bind("").match(unquote(request.path), request.method)
        except HTTPException as error:
            return error
        return None

    def _refuse(self, connection: Connection, error: Exception, request: Any = None) -> None:
        """Answer what cannot become a request of the app, and end the connection so that the client sees the answer."""
        try:
            with self._refusing:
                self._send_refusal(connection, error, request)
                # After each of them, whoever waits is looked at.
                gevent.sleep(0)
            connection.linger()
        except OSError as gone:
            logger.debug("A client is gone: %s", gone)
        finally:
            connection.close()

    def _send_refusal(self, connection: Connection, error: Exception, request: Any) -> None:
        refusal = refusals.of(error)
        path = f"{request.method} {request.path}" if request is not None else "A request"
        if refusal is None:
            logger.exception("A request failed: %s", error)
            refusal = 500, "The server failed on this request. Its log says why."
        if connection.has_sent:
            # A second answer after a part of the first would be taken for the rest of it.
            raise ConnectionAbortedError
        status, message = refusal
        metrics.REQUESTS.labels(status).inc()
        logger.info("%s", path, extra={"fields": {"status": status, "error": message}})
        connection.send(refusals.response(status, message, refusals.wants_retry(error)))


def _header(request: Any, name: str) -> str | None:
    return next((value for header, value in request.headers if header == name), None)


def _length(request: Any) -> int | None:
    """Return the length of a request's body as it is announced; gunicorn has checked that it is a number."""
    length = _header(request, "CONTENT-LENGTH")
    return int(length) if length is not None else None


def _read(request: Any, place: Place) -> bytes:
    """Return a request's body. Raises NoMoreData if it is cut, PayloadTooLarge, Overloaded, TooSlow."""
    length = _length(request)
    if length is None and not _header(request, "TRANSFER-ENCODING"):
        return b""
    # Parts, not a buffer that grows: it would be moved again and again.
    parts = list[bytes]()
    step = _STEP_BYTES if length is None else _MOST_BYTES
    while length is None or place.received < length:
        if length is None:
            place.promise(step)
        part = request.body.read(step)
        if not part:
            if length is not None:
                raise NoMoreData()
            break
        parts.append(part)
        place.receive(len(part))
        step = min(2 * step, _MOST_BYTES)
    return b"".join(parts)
