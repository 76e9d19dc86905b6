"""The process that speaks HTTP: gunicorn's threaded worker, steadier in a burst and more careful when it stops."""

import select
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# Of the 20 s that gunicorn gives us after SIGTERM; the rest is for what is being computed then.
_FINISH_SECONDS = 14
# A client that asks again at once is answered by the thread that has just answered it.
_NEXT_MS = 20


class Front(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker with all its threads from the start, that loses no connection when it is told to stop."""

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads, started: when a burst has to start them, pings wait for hundreds of milliseconds."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        all_run = threading.Barrier(self.cfg.threads + 1)
        for _ in range(self.cfg.threads):
            pool.submit(all_run.wait)
        all_run.wait()
        return pool

    def handle(self, conn: Any) -> Any:
        """Answer a connection's request, and the next ones as long as they follow at once.

        To hand the connection back to the main loop and get it again costs as much as the rest of a request.
        """
        kept = super().handle(conn)
        while kept is True and self.alive and _has_more(conn):
            kept = super().handle(conn)
        return kept

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take connections or not; after SIGTERM, take what the kernel has taken in our name, and then no more."""
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        taken = -1
        while taken != self.nr_conns:
            taken = self.nr_conns
            for listener in self.sockets:
                self.accept(listener)
        for listener in self.sockets:
            # Else the kernel would go on taking connections, which nobody answers.
            listener.close()
        self.wsgi.extensions["dispatcher"].queue.finish(_FINISH_SECONDS)


def _has_more(conn: Any) -> bool:
    """Return whether a connection's next request begins within a moment."""
    if conn.parser.unreader.buf.getvalue():
        return True
    waiting = select.poll()
    waiting.register(conn.sock, select.POLLIN)
    return bool(waiting.poll(_NEXT_MS))
