"""How long to wait before something is tried again."""

import datetime as dt

LONGEST = dt.timedelta(hours=1)


def growing(tries: int) -> dt.timedelta:
    """Twice as long after each try that failed, from a second to LONGEST. ``tries``: that failed before this one."""
    # A portal can be away for weeks: two to the power of all its tries would be no time any more.
    return min(dt.timedelta(seconds=2 ** min(tries, 20)), LONGEST)
