"""A lease that ends soon after the process of whoever has it, and not before."""

import datetime as dt
import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)


class Keeper:
    """Prolongs a lease from now on, in a thread.

    prolong: makes it last for ``lease`` from then on; may raise SQLAlchemyError
    """

    def __init__(self, prolong: Callable[[], object], lease: dt.timedelta) -> None:
        self._prolong = prolong
        self._pause = lease.total_seconds() / 4
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Returns when it is not prolonged any more."""
        self._ended.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                self._prolong()
            except SQLAlchemyError as error:  # the next time may do, and whoever stores anything asks again
                logger.warning("a lease was not prolonged: %s", type(error).__name__)
