"""The names that an activity module needs."""

from bizproc.context import (
    ActivityFailed,
    Connection,
    Context,
    DialogContext,
    DocumentId,
    Files,
    NoAnswer,
    Retry,
    StoredFile,
)
from bizproc.definition.activity import activity, robot
from bizproc.definition.definition import Filter
from bizproc.definition.fields import (
    boolean,
    calendar_date,
    connection,
    double,
    email,
    file,
    integer,
    internalselect,
    phone,
    select,
    string,
    text,
    time_of_day,
    timestamp,
    user,
    userfield,
    web,
)
from bizproc.definition.given import Properties, ReturnProperties
from bizproc.definition.systems import System
from bizproc.definition.text import LocalizedText, t
from bizproc.definition.values import User

__all__ = [
    "ActivityFailed",
    "Connection",
    "Context",
    "DialogContext",
    "DocumentId",
    "Files",
    "Filter",
    "LocalizedText",
    "NoAnswer",
    "Properties",
    "Retry",
    "ReturnProperties",
    "StoredFile",
    "System",
    "User",
    "activity",
    "boolean",
    "calendar_date",
    "connection",
    "double",
    "email",
    "file",
    "integer",
    "internalselect",
    "phone",
    "robot",
    "select",
    "string",
    "t",
    "text",
    "time_of_day",
    "timestamp",
    "user",
    "userfield",
    "web",
]
