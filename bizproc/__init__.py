"""The names that an activity module needs."""

from bizproc.context import ActivityFailed, Context, DialogContext, DocumentId, Files, Retry, StoredFile
from bizproc.definition.activity import activity, robot
from bizproc.definition.definition import Filter
from bizproc.definition.fields import (
    boolean,
    calendar_date,
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
from bizproc.definition.text import LocalizedText, t
from bizproc.definition.values import User

__all__ = [
    "ActivityFailed",
    "Context",
    "DialogContext",
    "DocumentId",
    "Files",
    "Filter",
    "LocalizedText",
    "Properties",
    "Retry",
    "ReturnProperties",
    "StoredFile",
    "User",
    "activity",
    "boolean",
    "calendar_date",
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
