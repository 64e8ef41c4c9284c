"""How gunicorn runs the app: ``gunicorn`` alone in this folder is enough."""

import os

from gunicorn import glogging

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
                handler.setFormatter(log.Redacting(line, date))


wsgi_app = "app:serve()"
bind = os.environ.get("BIND", "127.0.0.1:8000")
worker_class = "gthread"
threads = 16
# One process when the worker is embedded in it; with a QUEUE_URL more can be asked for (--workers).
workers = 1
# The app is made once, before the fork, so that what is wrong is said once and ends the program.
preload_app = True
accesslog = None
logger_class = Logger
control_socket_disable = True


def post_worker_init(worker):
    backend_of(worker.app.callable).queue.start()


def worker_exit(_server, worker):
    backend_of(worker.app.callable).queue.stop()
