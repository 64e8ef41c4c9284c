"""How fast portals are called: no faster than they take it (PROTOCOL.md section 5)."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# A cloud portal's bucket holds 50 calls and loses 2 a second: 50 in any 25 seconds never overflow it. The few that are
# missing make up for calls that arrive later than they were sent.
WINDOW = RateLimitItemPerSecond(46, 25)


class Pace:
    """Counts the calls of each portal, over all processes that share the storage.

    storage: ``memory://`` for this process alone, or a Redis address
    """

    def __init__(self, storage: str) -> None:
        self._limiter = MovingWindowRateLimiter(storage_from_string(storage, wrap_exceptions=True))
        self._limited: dict[str, bool] = {}

    def wait(self, portal: str) -> None:
        """Count a call to this portal, and wait until it may be sent. A portal that is known to have no limits is
        called at once; one that is not known yet is only counted."""
        limited = self._limited.get(portal)
        while limited is not False:
            try:
                if self._limiter.hit(WINDOW, portal) or limited is None:
                    return
                frees_at = self._limiter.get_window_stats(WINDOW, portal).reset_time
            except (StorageError, RedisError) as error:
                logger.warning("calls are not counted: %s", type(error).__name__)
                return
            time.sleep(min(max(frees_at - time.time(), 0.01), 1))

    def note(self, portal: str, answer: Mapping[str, Any]) -> None:
        """Learn from an answer whether this portal has limits: self-hosted ones send no ``operating``."""
        times = answer.get("time")
        if isinstance(times, dict):
            self._limited[portal] = "operating" in times
