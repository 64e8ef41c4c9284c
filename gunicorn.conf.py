"""How gunicorn runs the app: ``gunicorn`` alone in this folder is enough."""

import atexit
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress

from gunicorn import glogging
from gunicorn.workers.gthread import ThreadWorker

# The processes count into files of one new folder. prometheus_client looks for it when it is imported, and this file is
# read again when gunicorn reloads.
if "prometheus_client" not in sys.modules:
    folder, master = tempfile.mkdtemp(prefix="b24-metrics-"), os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    # systemd-tmpfiles removes what has been quiet for days, but nothing that is locked.
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    atexit.register(lambda: os.getpid() == master and shutil.rmtree(folder, ignore_errors=True))

from bizproc import log
from handlers import backend_of


class Logger(glogging.Logger):
    """gunicorn's own lines name addresses and errors too."""

    def setup(self, cfg):
        super().setup(cfg)
        for logger, line, date in (
            (self.error_log, self.error_fmt, self.datefmt),
            (self.access_log, self.access_fmt, None),
        ):
            for handler in logger.handlers:
                handler.setFormatter(log.formatter(line, date))


class Worker(ThreadWorker):
    """gunicorn's threads, none of which waits for ever.

    gunicorn reads a request, and writes its answer, for as long as the other side keeps the connection open: as many
    senders as there are threads, each with a request that never ends, would end the app.
    """

    request_seconds = 10
    answer_seconds = 600

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._at_work = {}

    def handle(self, connection):
        self._at_work[connection] = (time.monotonic(), None)
        try:
            return super().handle(connection)
        finally:
            del self._at_work[connection]

    def handle_request(self, request, connection):
        self._at_work[connection] = (self._at_work[connection][0], request)
        return super().handle_request(request, connection)

    def is_parent_alive(self):
        # gunicorn leaves its loop then, but goes on keeping connections as if nothing had happened: as long as requests
        # come on them, it ends only after 30 seconds, and the next process cannot begin before.
        self.alive = self.alive and super().is_parent_alive()
        return self.alive

    def murder_pending(self):
        """Called by gunicorn's main thread, once a second at least."""
        for connection in self.pending_conns:  # which have not sent anything yet
            connection.timeout = min(connection.timeout, time.monotonic() + self.request_seconds)
        super().murder_pending()
        for connection, (begun, request) in list(self._at_work.items()):
            arrived = request is not None and not getattr(request.body.reader, "length", 0)
            if time.monotonic() > begun + (self.answer_seconds if arrived else self.request_seconds):
                with suppress(OSError):  # closed meanwhile
                    connection.sock.shutdown(socket.SHUT_RDWR)


wsgi_app = "app:serve()"
bind = os.environ.get("BIND", "127.0.0.1:8000")
worker_class = Worker
threads = 16
# Longer than proxies keep a connection (nginx 60 seconds, Traefik 90): a callback that is sent on one which gunicorn is
# about to close is lost.
keepalive = 100
# One process when the worker is embedded in it; with a QUEUE_URL more can be asked for (--workers).
workers = 1
# The app is made once, before the fork, so that what is wrong is said once and ends the program.
preload_app = True
accesslog = None
logger_class = Logger
control_socket_disable = True


def on_starting(server):
    if server.cfg.workers > 1 and _is_embedded(server):
        raise SystemExit(
            f"Error: --workers {server.cfg.workers} needs workers of their own: without a QUEUE_URL the app is one"
            " process. Set DATABASE_URL to PostgreSQL and QUEUE_URL to Redis, and start 'flask worker' besides."
        )
    # Workers can run as another user (--user).
    os.chown(os.environ["PROMETHEUS_MULTIPROC_DIR"], server.cfg.uid, server.cfg.gid)


def nworkers_changed(server, new, old):
    """SIGTTIN asks for one more worker while the app runs."""
    if old is not None and new > 1 and _is_embedded(server):
        server.log.warning("one process is enough: more need PostgreSQL in DATABASE_URL and Redis in QUEUE_URL")
        server.num_workers = 1


def _is_embedded(server):
    return backend_of(server.app.wsgi()).settings.embedded


def post_worker_init(worker):
    backend = backend_of(worker.app.callable)
    # The master starts another process before it ends this one, so there is always one that takes callbacks.
    backend.worker.replace = lambda: os.getppid() == worker.ppid and os.kill(worker.ppid, signal.SIGHUP)
    backend.start()


def worker_exit(_server, worker):
    backend_of(worker.app.callable).stop()
