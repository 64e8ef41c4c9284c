"""The settings of a step: a page that the designer shows in the step's form (PROTOCOL.md section 9)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, current_app, render_template
from jinja2 import Template, TemplateError
from markupsafe import Markup
from werkzeug.exceptions import Forbidden

from bizproc.definition.activity import AnyActivity
from bizproc.definition.properties import Property, default_text
from bizproc.definition.systems import ConnectionNames
from bizproc.definition.text import LocalizedText
from bizproc.php import PhpArray
from bizproc.portal.installations import Installation
from bizproc.portal.option_lists import PortalDialogContext
from bizproc.runs.callback import Sender, number, text
from bizproc.runs.decoding import MONTH_FIRST_LANGUAGES
from handlers import backend
from handlers.forms import UnreadableForm, asked_language, form, tokens
from handlers.pages import origin, page
from handlers.placement import PlacementOptions, placement_options
from handlers.refusals import refusal
from handlers.senders import proven, refused
from handlers.settings_texts import HINTS, NO_SUCH_STEP, NOT_PROVEN, TEXTS

logger = logging.getLogger(__name__)
blueprint = Blueprint("settings_dialog", __name__, template_folder="templates")

YES_AND_NO: Final = {"Y": TEXTS["yes"], "N": TEXTS["no"]}
KEYBOARDS: Final = {"int": "numeric", "double": "decimal", "email": "email", "phone": "tel", "web": "url"}


@dataclass(frozen=True)
class Field:
    """A property as the form shows it.

    options: those to choose from, key to title; None where the value is typed
    values: what the step holds, else the defaults, which a run takes for what is empty
    to_send: the step does not hold these values yet
    trouble: why the form cannot show it as it should; ``unshown`` where it cannot show it at all
    """

    id: str
    key: str
    type: str
    name: str
    description: str
    multiple: bool
    needed: bool
    options: Mapping[str, str] | None
    values: tuple[str, ...]
    default: str
    hint: str
    keyboard: str
    to_send: bool
    trouble: str

    @property
    def rows(self) -> tuple[str, ...]:
        return self.values or ("",)


@blueprint.get("/settings/<code>")
def visited(code: str) -> Response:  # noqa: ARG001 - for people and for the publisher console, as the install page
    return refusal(200, "These are settings of a step in Bitrix24. They are opened from its designer.")


@blueprint.post("/settings/<code>")
def opened(code: str) -> Response:
    """The dialog for a proven portal, else a page that says no more than that it is not proven."""
    fields: PhpArray = {}
    try:
        fields = form()
        claimed = Sender(text(fields, "member_id"), text(fields, "APPLICATION_TOKEN"))
        installation = proven(claimed, "page", "settings")
    except (UnreadableForm, Forbidden) as error:
        if isinstance(error, UnreadableForm):
            refused("page", error, "settings", "")
        # Shown inside a portal's iframe, and nobody has said which portal that is; the page has nothing to click.
        return refusal(403, NOT_PROVEN.shown_in(asked_language()), portal="*", language=asked_language())
    language = asked_language() or installation.language
    activity = backend().registry.get(code)
    if activity is None:
        portal = origin(installation.client_endpoint)
        return refusal(404, NO_SUCH_STEP.shown_in(language), portal=portal, language=language)
    return _dialog(activity, installation, fields, language)


def _dialog(activity: AnyActivity, installation: Installation, form_fields: PhpArray, language: str) -> Response:
    known = placement_options(text(form_fields, "PLACEMENT_OPTIONS"))
    lists = _lists(activity, installation, form_fields, language)
    fields = {
        each.key: _field(f"field-{index}", each, known, lists.get(each.key), language)
        for index, each in enumerate(activity.definition.properties)
    }
    texts = {name: words.shown_in(language) for name, words in TEXTS.items()}

    def field(key: str) -> Markup:
        return Markup(render_template("settings_field.html", field=fields[key], texts=texts, inserts=inserts))  # noqa: S704 - a rendered template

    def dialog(template: str | Template) -> Response:
        return page(
            template,
            portal=origin(installation.client_endpoint),
            language=language,
            texts=texts,
            definition=activity.definition,
            title=activity.definition.name.shown_in(language),
            fields=fields,
            values={key: each.values for key, each in fields.items()},
            field=field,
            told=known.current_values is not None,
            document_fields=known.document_fields,
            month_first=installation.language in MONTH_FIRST_LANGUAGES,
        )

    inserts = bool(known.document_fields)
    if activity.template is None:
        return dialog("settings_dialog.html")
    try:
        return dialog(current_app.jinja_env.from_string(activity.template.read_text("utf-8")))
    except Exception as error:  # an author's template is as good as any program
        why = str(error) if isinstance(error, TemplateError) else ""  # what else failed may quote the step's values
        logger.error("%s: its own dialog cannot be shown: %s %s", activity.definition.code, type(error).__name__, why)
        return dialog("settings_dialog.html")


def _lists(
    activity: AnyActivity, installation: Installation, fields: PhpArray, language: str
) -> dict[str, Mapping[str, str] | None]:
    """What functions list, by the property's key."""
    functions = {each.key: each.list_options for each in activity.definition.properties if each.list_options}
    if not functions:
        return {}
    person = tokens(text(fields, "AUTH_ID"), text(fields, "REFRESH_ID"), number(fields, "AUTH_EXPIRES"))
    context = PortalDialogContext(backend().app, installation, person, language, backend().connections.names)
    listed = backend().option_lists.listed(functions.values(), context)
    return {key: listed[function] for key, function in functions.items()}


def _field(
    id_: str, property_: Property, known: PlacementOptions, listed: Mapping[str, str] | None, language: str
) -> Field:
    held = (known.current_values or {}).get(property_.key.lower(), ())
    shown = held is not None and (property_.multiple or len(held) <= 1)
    default = _default(property_)
    values = held or default if shown and held is not None else ()
    options = _options(property_, listed, language)
    trouble = ""
    if not shown:
        trouble = "unshown"
    elif property_.list_options is not None and listed is None:
        trouble = "unlisted"
    elif isinstance(property_.list_options, ConnectionNames) and not listed:
        trouble = "unconnected"
    return Field(
        id=id_,
        key=property_.key,
        type=property_.format or property_.type,
        name=property_.name.shown_in(language),
        description=_words(property_.description, language),
        multiple=property_.multiple,
        needed=property_.required and not default,
        options=options,
        values=values,
        default="" if property_.multiple else "".join(default),
        hint=_words(HINTS.get(property_.type), language),
        keyboard=KEYBOARDS.get(property_.type, "text"),
        to_send=known.current_values is not None and shown and not held and bool(default),
        trouble=trouble,
    )


def _options(property_: Property, listed: Mapping[str, str] | None, language: str) -> Mapping[str, str] | None:
    if property_.type == "bool":
        return {key: words.shown_in(language) for key, words in YES_AND_NO.items()}
    return listed if property_.list_options is not None else property_.options or None


def _default(property_: Property) -> tuple[str, ...]:
    if property_.default is None:
        return ()
    return tuple(map(default_text, property_.default if property_.multiple else [property_.default]))


def _words(words: LocalizedText | None, language: str) -> str:
    return words.shown_in(language) if words else ""
