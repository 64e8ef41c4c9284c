"""All rooms of one running app, wired together."""

import logging
from dataclasses import astuple, dataclass

from itsdangerous import BadData, URLSafeTimedSerializer

from bizproc.definition.registry import Registry
from bizproc.files import FileStore
from bizproc.portal.b24 import PortalApp
from bizproc.portal.connections import Connections
from bizproc.portal.installations import Installation, Installations
from bizproc.portal.option_lists import OptionLists
from bizproc.portal.pace import Pace
from bizproc.portal.rest_log import RestLog
from bizproc.portal.visitor import Visitor
from bizproc.registration.registration import Registration
from bizproc.registration.registrations import Registrations
from bizproc.runs.completion import Completion
from bizproc.runs.execution import Execution
from bizproc.runs.inbox import Inbox
from bizproc.runs.queue import Queue
from bizproc.runs.retention import Retention
from bizproc.runs.runs import Runs
from bizproc.runs.spool import Spool
from bizproc.runs.worker import AppWorker
from bizproc.secrets import Secrets
from bizproc.settings import Settings
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.reencryption import Reencryption
from bizproc.systems.addresses import Addresses
from bizproc.systems.connections import SystemConnections

logger = logging.getLogger(__name__)

PAGE_SECONDS = 3600


@dataclass(frozen=True)
class Page:
    """What a page token says: in which portal a page was opened, and by whom."""

    installation_id: int
    user_id: int
    administrator: bool


class Backend:
    """One app with its settings and its activities. Makes no connection until something is asked of it.

    Raises BizprocError when a setting names something that cannot be used.
    """

    def __init__(self, settings: Settings, registry: Registry) -> None:
        secrets = Secrets(settings.secret_keys)
        self.settings = settings
        self.registry = registry
        self.database = Database(settings.database_url)
        self.hashes = KeyedHashes(self.database, secrets)
        self.reencryption = Reencryption(self.database, secrets)
        self.app = PortalApp(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            oauth_url=settings.oauth_url,
            connections=Connections(settings.ca_bundle),
            pace=Pace("memory://" if settings.embedded else settings.queue_url),
            rest_log=RestLog(settings.rest_log_folder),
            allowed_portals=settings.allowed_portals,
        )
        self.option_lists = OptionLists()
        self.installations = Installations(self.database, secrets, self.hashes, self.app)
        self.registrations = Registrations(self.database)
        self.registration = Registration(
            self.registrations,
            self.installations,
            [activity.definition for activity in registry],
            settings.app_url,
        )
        self.files = FileStore(settings.files_url, secrets.link_keys, settings.app_url)
        self.runs = Runs(self.database, secrets, self.hashes)
        self.queue = Queue(settings.queue_url, name=f"b24-{settings.client_id}", embedded=settings.embedded)
        self.completion = Completion(self.runs, registry, secrets.link_keys, settings.app_url)
        self.connections = SystemConnections(
            self.database, secrets, registry, Addresses(settings.allowed_systems), self.app.connections.context
        )
        self.execution = Execution(
            self.runs, self.installations, registry, self.files, self.completion, self.connections
        )
        self.inbox = Inbox(
            self.database,
            secrets,
            self.hashes,
            self.installations,
            Spool(settings.spool_folder, secrets),
            self.queue.send_runs,
        )
        self.worker = AppWorker(
            self.database,
            self.runs,
            self.execution,
            self.installations,
            self.registration,
            self.queue,
            Retention(
                self.database,
                self.files,
                keep_succeeded_days=settings.keep_succeeded_days,
                keep_failed_days=settings.keep_failed_days,
            ),
            embedded=settings.embedded,
        )
        self.queue.serve(self.worker)
        self._pages = URLSafeTimedSerializer(secrets.link_keys, salt="page")

    def install(
        self, visitor: Visitor, *, application_token: str, language: str, app_host: str, by_event: bool = False
    ) -> Installation:
        """Store a proven installation and have its activities registered. Raises as ``Installations.install``."""
        installation = self.installations.install(
            visitor, application_token=application_token, language=language, app_host=app_host, by_event=by_event
        )
        self.registrations.forget_refusals(installation.id)
        self.queue.send_register(installation.id)
        return installation

    def register(self, installation: Installation) -> None:
        """Have the activities of an installation registered (again)."""
        self.installations.want_registration(installation)
        self.queue.send_register(installation.id)

    def uninstall(self, installation: Installation, *, clean: bool) -> None:
        self.installations.uninstall(installation, clean=clean)
        if clean:
            try:
                self.files.erase(installation.member_id)
            except OSError as error:
                # The portal does not tell a second time.
                logger.error(
                    "%s: its files could not be erased (%s): remove the folder %s of FILES_URL",
                    installation.domain,
                    type(error).__name__,
                    installation.member_id,
                )

    def page_token(self, installation: Installation, visitor: Visitor) -> str:
        """Lets a page ask, for PAGE_SECONDS, for what the user who opened it in that portal may."""
        page = Page(installation.id, visitor.proof.user_id, administrator=visitor.administrator is True)
        return str(self._pages.dumps(astuple(page)))

    def page(self, page_token: str) -> tuple[Page, Installation] | None:
        """None for a token that is forged or too old, or whose portal has removed the app."""
        try:
            page = Page(*self._pages.loads(page_token, max_age=PAGE_SECONDS))
        except (BadData, TypeError):
            return None
        installation = self.installations.get(page.installation_id)
        return (page, installation) if installation and installation.active else None

    def start(self) -> None:
        """Begin the work of a process that serves the app. Called after a server's fork."""
        self.queue.start()
        self.inbox.start()

    def stop(self) -> None:
        """Finish what was begun, and begin no more."""
        self.inbox.stop()
        self.queue.stop()

    def close(self) -> None:
        self.stop()
        self.app.connections.close()
        self.app.rest_log.close()
        self.database.close()
