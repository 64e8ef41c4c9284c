"""`python -m devportal`: start a development portal and keep it until SIGTERM or SIGINT."""

import json
import signal
import sys
import threading

from devportal.options import OptionsError, parse
from devportal.server import start


def main() -> int:
    """0 after a clean stop, 1 when it cannot start; the reason is one line on stderr."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        running = start(parse(sys.argv[1:]))
    except OptionsError as error:
        print(f"devportal: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(running.ready), flush=True)  # noqa: T201
    stopped.wait()
    running.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
