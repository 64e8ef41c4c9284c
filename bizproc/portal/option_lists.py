"""The options that functions list for a settings dialog, within the time for which a person waits."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, NoReturn

from bizproc.context import DialogContext, ListOptions
from bizproc.definition.systems import System
from bizproc.errors import BizprocError
from bizproc.portal.b24 import (
    Client,
    PortalApp,
    PortalRefused,
    PortalToken,
    PortalUnavailable,
    SdkError,
    Tokens,
    described,
)
from bizproc.portal.installations import Installation

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 4
"""For all lists of a dialog together: as long as that, a thread of the server waits too."""
AT_ONCE: Final = 8
"""Functions at work in this process, those included for which nobody waits any more."""
MOST_OPTIONS: Final = 2000


class PortalDialogContext(DialogContext):
    """tokens: of whoever has opened the dialog, as the portal's page gave them. They are sent to the proven endpoint
    alone, and what they may is the portal's to judge.

    connections: the names of a portal's connections, by its installation's id and the system
    """

    def __init__(
        self,
        app: PortalApp,
        installation: Installation,
        tokens: Tokens,
        language: str,
        connections: Callable[[int, System], Sequence[str]],
    ) -> None:
        self.member_id = installation.member_id
        self.domain = installation.domain
        self.language = language
        self._names = partial(connections, installation.id)
        self._token = PortalToken(
            endpoint=installation.client_endpoint,
            tokens=tokens,
            app=app,
            renew=lambda _: _as_they_are(),
            follow=lambda *_: _as_they_are(),
            seconds=PATIENCE_SECONDS,
        )

    @property
    def portal(self) -> Client:
        return self._token.get_client()

    def connections(self, system: System) -> Sequence[str]:
        return self._names(system)


class OptionLists:
    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def listed(
        self, functions: Iterable[ListOptions], context: DialogContext
    ) -> dict[ListOptions, Mapping[str, str] | None]:
        """What each function lists; None for one that fails or takes long, which the log tells."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = {function: self._asked(function, context) for function in dict.fromkeys(functions)}
        lists: dict[ListOptions, Mapping[str, str] | None] = {}
        for function, answer in asked.items():
            lists[function] = None
            try:
                lists[function] = answer.result(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                _tell(function, context, f"not within {PATIENCE_SECONDS} s")
            except (SdkError, BizprocError) as error:
                _tell(function, context, described(error))
            except BaseException as error:  # it is an author's function, and the dialog opens whatever that does
                _tell(function, context, type(error).__name__)
        return lists

    def _asked(self, function: ListOptions, context: DialogContext) -> "Future[Mapping[str, str]]":
        answer: Future[Mapping[str, str]] = Future()
        if not self._free.acquire(blocking=False):
            answer.set_exception(PortalUnavailable(f"{AT_ONCE} others are at work"))
            return answer

        def ask() -> None:
            try:
                answer.set_result(_usable(function(context)))
            except BaseException as error:  # told to whoever waits
                answer.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=ask, name="options", daemon=True).start()
        return answer


def _usable(options: Mapping[str, str]) -> Mapping[str, str]:
    if not isinstance(options, Mapping) or not all(isinstance(word, str) for each in options.items() for word in each):
        raise PortalRefused("they are no mapping of texts to texts")
    if len(options) > MOST_OPTIONS:
        raise PortalRefused(f"they are {len(options)}, more than {MOST_OPTIONS}")
    return dict(options)


def _tell(function: ListOptions, context: DialogContext, why: str) -> None:
    name = getattr(function, "__qualname__", type(function).__name__)
    logger.warning("%s: the options of %s.%s were not listed: %s", context.domain, function.__module__, name, why)


def _as_they_are() -> NoReturn:
    raise PortalRefused("A visitor's tokens are used as they are.")
