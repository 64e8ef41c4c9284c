"""The settings dialog over HTTP: who gets it, what it shows, and that nothing in it gets out of its place."""

import datetime as dt
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given

from bizproc import Context, Properties, User, activity, t
from bizproc.definition import fields
from bizproc.definition.activity import Activity
from bizproc.definition.properties import PYTHON_TYPES
from bizproc.definition.registry import Registry
from handlers import LARGEST_FORM
from tests.conftest import Portal, RunningApp, eventually, tries
from tests.fuzzing.odd import spoiled_json
from tests.shelf import dialogs

PLACEMENT = "BIZPROC_ACTIVITY_PROPERTIES_DIALOG"


def opened(app: RunningApp, portal: Portal, code: str, options: Any = None, lang: str = "en", **form: Any) -> Any:
    """The dialog as a portal opens it. ``options``: PLACEMENT_OPTIONS, as text or as what JSON says."""
    token = portal.ask("token")
    fields = {
        "AUTH_ID": token["access_token"],
        "REFRESH_ID": token["refresh_token"],
        "AUTH_EXPIRES": "3600",
        "APPLICATION_TOKEN": portal.state()["installation"]["application_token"],
        "member_id": portal.description["member_id"],
        "PLACEMENT": PLACEMENT,
        "PLACEMENT_OPTIONS": options if isinstance(options, str) else json.dumps(options or {}),
    }
    return requests.post(f"{app.url}/settings/{code}", params={"LANG": lang}, data=fields | form, timeout=20)


class Form(HTMLParser):
    """What of a page a person can fill in. ``values``: of each property's rows outside of its template."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.values: dict[str, list[str]] = {}
        self.options: dict[str, dict[str, str]] = {}
        self.attributes: list[dict[str, str | None]] = []
        self._property = ""
        self._textarea = self._template = False
        self._option: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        self.attributes.append(given)
        self._property = "" if tag == "dialog" else given.get("data-property") or self._property
        self._template = self._template or tag == "template"
        if self._template or not self._property:
            return
        values = self.values.setdefault(self._property, [])
        if tag == "textarea":
            self._textarea = True
            values.append("")
        elif tag == "input" and "hidden" not in given:
            values.append(given.get("value") or "")
        elif tag == "option":
            self._option = given.get("value")
            if "selected" in given and self._option is not None:
                values.append(self._option)

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._template = False
        if tag == "textarea" and self._textarea:
            self._textarea = False
            self.values[self._property][-1] = self.values[self._property][-1].removeprefix("\n")
        if tag == "option":
            self._option = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())
        if self._textarea:
            self.values[self._property][-1] += data
        elif self._option is not None:
            self.options.setdefault(self._property, {})[self._option] = data


def test_each_dialog_is_registered_at_an_address_of_its_own(installed: RunningApp, portal: Portal) -> None:
    placements = {each["CODE"]: each["PLACEMENT_HANDLER"] for each in portal.state()["placements"]}
    codes = ("count_books", "every_field", "listed", "own_dialog")
    assert placements == {code: f"{installed.url}/settings/{code}" for code in codes}
    assert requests.head(placements["every_field"], timeout=9).status_code == 200


def test_only_the_portal_that_opens_it_may_frame_it(installed: RunningApp, portal: Portal) -> None:
    url = f"{installed.url}/settings/every_field"
    answer = portal.ask("open", url=url, placement=PLACEMENT, options={"current_values": []})
    assert answer["status"] == 200
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert f"{policy['frame-ancestors']}/rest/" == portal.description["client_endpoint"]
    assert "x-frame-options" not in headers
    assert "set-cookie" not in headers
    nonce = re.findall("'nonce-(.+?)'", policy["script-src"])
    given = [each["nonce"] for each in Form(answer["body"]).attributes if "nonce" in each]
    assert len(given) > 2
    assert set(given) == set(nonce)


def test_nobody_else_gets_it(installed: RunningApp, portal: Portal) -> None:
    options = {"current_values": {"line": "private"}}
    for changed in ({"APPLICATION_TOKEN": "forged"}, {"APPLICATION_TOKEN": ""}, {"member_id": "x"}, {"member_id": ""}):
        answer = opened(installed, portal, "every_field", options, "de", **changed)
        assert answer.status_code == 403
        assert "Das Portal konnte nicht bestätigt werden." in answer.text
        assert "data-property" not in answer.text
        assert "private" not in answer.text


def test_a_form_that_cannot_be_read_and_a_removed_app_get_none(installed: RunningApp, portal: Portal) -> None:
    url = f"{installed.url}/settings/every_field"
    assert requests.post(url, data=b"a" + b"[b]" * 9999 + b"=1", timeout=9).status_code == 403
    form = opened(installed, portal, "every_field")
    assert form.status_code == 200
    token = portal.state()["installation"]["application_token"]
    portal.ask("uninstall")
    eventually(lambda: not installed.backend.installations.find(portal.ready["member_id"]).active)  # type: ignore[union-attr]
    assert opened(installed, portal, "every_field", APPLICATION_TOKEN=token).status_code == 403


def test_a_step_that_the_app_does_not_have_any_more(installed: RunningApp, portal: Portal) -> None:
    answer = opened(installed, portal, "gone", lang="ru")
    assert answer.status_code == 404
    assert "В приложении больше нет этого шага." in answer.text
    assert portal.description["client_endpoint"].removesuffix("/rest/") in answer.headers["Content-Security-Policy"]


SPOKEN = {
    "en": {"Line", "Any words", "Yes", "not set", "From the process…", "+ Add"},
    "de": {"Zeile", "Text", "Ja", "nicht gesetzt", "Aus dem Prozess…", "+ Hinzufügen"},
    "ru": {"Строка", "Any words", "Да", "не задано", "Из процесса…", "+ Добавить"},
    "ua": {"Строка", "Да"},
    "fr": {"Line", "Yes"},
}


def test_it_speaks_the_language_of_the_person(installed: RunningApp, portal: Portal) -> None:
    for lang, words in SPOKEN.items():
        page = opened(installed, portal, "every_field", lang=lang).text
        assert f'<html lang="{lang}">' in page
        assert words <= set(Form(page).texts)


def test_it_shows_what_the_step_holds_and_keeps_what_the_process_fills_in(
    installed: RunningApp, portal: Portal
) -> None:
    current = {
        "LINE": "{=Document:TITLE}",
        "lines": "\nfirst\n",
        "flag": True,
        "number": "{{Number}}",
        "amount": 1.5,
        "choice": "{=Document:CHOICE}",
        "day": "=dateadd({=System:Now}, '1d')",
        "numbers": {"0": "1", "7": "{=Document:ID}"},
        "choices": ["a", "gone"],
        "hour": None,
    }
    page = opened(installed, portal, "every_field", {"current_values": current}).text
    shown = Form(page).values
    assert shown["line"] == ["{=Document:TITLE}"]
    assert shown["lines"] == ["\nfirst\n"]
    assert (shown["flag"], shown["number"], shown["amount"]) == (["Y"], ["{{Number}}"], ["1.5"])
    assert (shown["choice"], shown["day"]) == (["{=Document:CHOICE}"], ["=dateadd({=System:Now}, '1d')"])
    assert (shown["numbers"], shown["choices"], shown["hour"]) == (["1", "{=Document:ID}"], ["a", "gone"], [""])
    assert "gone (not in the list)" in Form(page).options["choices"].values()


def test_defaults_are_shown_and_told_where_the_step_holds_nothing(installed: RunningApp, portal: Portal) -> None:
    page = opened(installed, portal, "every_field", {"current_values": {"number": "", "choice": "a"}}).text
    form = Form(page)
    assert (form.values["number"], form.values["choice"], form.values["texts"]) == (["7"], ["a"], ["one", "two"])
    told = [each["data-property"] for each in form.attributes if "data-to-send" in each]
    assert told == ["number", "texts"]


def test_what_the_portal_does_not_tell_is_not_overwritten(installed: RunningApp, portal: Portal) -> None:
    for options in ("", "{", "[]", '{"current_values": "x"}', "[" * 100_000, "1" * 5000):
        page = opened(installed, portal, "every_field", options).text
        assert "The portal did not tell what the step holds." in page
        assert "data-to-send" not in page


def test_a_value_that_no_form_can_show_stays(installed: RunningApp, portal: Portal) -> None:
    too_many = ["1"] * 501
    for name, value in (("number", [[1]]), ("number", {"a": {}}), ("number", ["1", "2"]), ("texts", too_many)):
        current = {"number": "1", "texts": ["a"], name: value}
        form = Form(opened(installed, portal, "every_field", {"current_values": current}).text)
        assert form.values[name] == []
        assert "The step holds a value that this form cannot show. It stays as it is." in form.texts
        assert [each["data-property"] for each in form.attributes if "data-to-send" in each] == ["choice"]


def test_fields_of_the_document_can_be_inserted(installed: RunningApp, portal: Portal) -> None:
    fields = {"TITLE": {"Name": 'T"<i>'}, "ID": {"NAME": "Number"}, "X": "Plain", "bad}": {"Name": "x"}, "Y": [1]}
    page = opened(installed, portal, "every_field", {"current_values": [], "document_fields": fields}).text
    form = Form(page)
    inserted = [each["data-insert"] for each in form.attributes if "data-insert" in each]
    assert inserted == ["{=Document:TITLE}", "{=Document:ID}", "{=Document:X}", "{=Document:Y}"]
    assert {'T"<i>', "Number", "Plain", "Y"} <= set(form.texts)
    assert "i" not in form.tags


OPTIONS = {
    "current_values": {"line": "a", "NUMBERS": ["1", "2"], "flag": True, "texts": {"0": "x"}, "choice": "b"},
    "document_fields": {"TITLE": {"Name": "Title"}, "ID": {"NAME": "Number"}, "X": "Plain"},
}


def test_no_shape_of_the_options_fails(installed: RunningApp, portal: Portal) -> None:
    @tries(40)
    @given(options=spoiled_json(OPTIONS))
    def shown(options: bytes) -> None:
        if len(options) < LARGEST_FORM // 4:
            assert opened(installed, portal, "every_field", PLACEMENT_OPTIONS=options).status_code == 200

    shown()
    half = "\ud800"
    options = {"current_values": {"line": half, half: "a"}, "document_fields": {half: 1, "A": {"Name": half}}}
    assert Form(opened(installed, portal, "every_field", options).text).values["line"] == ["?"]


SAMPLES: dict[str, Any] = {
    "bool": (fields.boolean, bool),
    "date": (fields.calendar_date, dt.date),
    "datetime": (fields.timestamp, dt.datetime),
    "double": (fields.double, float),
    "email": (fields.email, str),
    "file": (fields.file, str),
    "int": (fields.integer, int),
    "internalselect": (fields.internalselect, str),
    "phone": (fields.phone, str),
    "select": (fields.select, str),
    "string": (fields.string, str),
    "text": (fields.text, str),
    "time": (fields.time_of_day, dt.time),
    "user": (fields.user, User),
    "web": (fields.web, str),
}
ODD = [
    '"><script>alert(1)</script>',
    "</script><script>alert(1)</script>",
    "</textarea></template></dialog><img src=x onerror=alert(1)>",
    "' onfocus=alert(1) autofocus x='",
    "&lt;b&gt; &amp; {{ 7 * 7 }} {% raw %} ${x} \\u003c",
    "\u202e\u2028\U0001f600 ÄÖ日本\x01",
]


def test_every_type_is_named() -> None:
    assert set(SAMPLES) == set(PYTHON_TYPES)


def of_every_type(odd: str) -> Activity[Any, Any]:
    """A property of every type, single and multiple, with this text wherever one can be."""
    annotations: dict[str, Any] = {}
    declared: dict[str, Any] = {}
    for type_, (field, python) in SAMPLES.items():
        more: dict[str, Any] = {"options": {odd: odd, "b": "B"}} if type_ == "select" else {}
        words = t(en=odd)
        annotations[f"{type_}s"] = list[python]
        declared[f"{type_}s"] = field(words, description=words, multiple=True, **more)
        if issubclass(python, str):
            more["default"] = odd
        annotations[type_] = python if "default" in more else python | None
        declared[type_] = field(words, description=words, **more)

    def function(given: Properties, context: Context) -> None: ...

    function.__annotations__["given"] = type("Odd", (Properties,), {"__annotations__": annotations, **declared})
    return activity("odd", name=t(en=odd), placement=True)(function)


def test_odd_texts_stay_texts_in_every_type(installed: RunningApp, portal: Portal) -> None:
    """As names, descriptions, options, defaults, values and fields of the document."""
    for odd in ODD:
        made = of_every_type(odd)
        installed.backend.registry = Registry([made])
        keys = [each.key for each in made.definition.properties]
        current = {key: [odd, odd] if key.endswith("s") else odd for key in keys}
        page = opened(installed, portal, "odd", {"current_values": current, "document_fields": {"A": {"Name": odd}}})
        assert page.status_code == 200
        form = Form(page.text)
        assert form.values == {key: [odd, odd] if key.endswith("s") else [odd] for key in keys}
        assert form.options["select"][odd] == odd
        assert form.tags.count("script") == 2
        assert not {"img", "b"} & set(form.tags)
        assert not [each for each in form.attributes if any(name.startswith("on") for name in each)]
        assert [each["data-name"] for each in form.attributes if "data-name" in each] == [odd] * len(keys)


def test_lists_from_functions(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bizproc.portal.option_lists.PATIENCE_SECONDS", 2)
    current = {"who": "user_9", "broken": "x", "slow": ["a"]}
    try:
        form = Form(opened(installed, portal, "listed", {"current_values": current}, "de").text)
    finally:
        dialogs.ANSWERS.set()
    titles = list(form.options["who"].values())
    domain, member_id = portal.description["domain"], portal.description["member_id"]
    assert any(title.endswith(f"{domain} {member_id} de") for title in titles), titles
    assert "user_9 (nicht in der Liste)" in titles
    assert form.values == {"who": ["user_9"], "broken": ["x"], "slow": ["a"]}
    trouble = [text for text in form.texts if text.startswith("Die Liste konnte nicht geladen werden.")]
    assert len(trouble) == 2
    told = [record.getMessage() for record in caplog.records if "were not listed" in record.getMessage()]
    assert told == [
        f"{domain}: the options of tests.shelf.dialogs.broken were not listed: RuntimeError",
        f"{domain}: the options of tests.shelf.dialogs.slow were not listed: not within 2 s",
    ]


def test_a_template_of_its_own(installed: RunningApp, portal: Portal) -> None:
    page = opened(installed, portal, "own_dialog", {"current_values": {"words": "a", "mood": "<b>"}}).text
    assert "own_dialog: &lt;b&gt;" in page
    assert Form(page).values == {"words": ["a"]}
    assert page.index("function setValue") < page.index('setValue("mood", "cheerful")')


def test_a_template_that_fails_leaves_the_plain_form(
    installed: RunningApp,
    portal: Portal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    template = tmp_path / "my_dialog.html"
    monkeypatch.setattr(Activity, "template", template)
    for source, why in (("{% block", "TemplateSyntaxError"), ("{{ x.y.z }}", "UndefinedError"), (None, "FileNotFound")):
        template.unlink(missing_ok=True)
        if source:
            template.write_text(source)
        form = Form(opened(installed, portal, "own_dialog", {"current_values": []}).text)
        assert form.values == {"words": ["hello"], "mood": ["calm"]}
        assert f"own_dialog: its own dialog cannot be shown: {why}" in caplog.text


def test_the_portals_connections_are_offered(installed: RunningApp, portal: Portal) -> None:
    def page(current: dict[str, str]) -> Form:
        return Form(opened(installed, portal, "count_books", {"current_values": current}, "de").text)

    missing = {"class": "error", "id": "field-0-trouble"}
    without = page({})
    assert missing in without.attributes
    assert "Ihr Portal hat noch keine solche Verbindung." in " ".join(without.texts).partition("const texts")[0]
    (here,) = installed.backend.installations.all()
    for name in ("second", "main"):
        installed.backend.connections.add(here, "library", name, "https://library.example.com", "secret", check=False)
    offered = page({"library": "main"})
    assert missing not in offered.attributes
    assert list(offered.options["library"])[:2] == ["main", "second"]
    assert offered.values["library"] == ["main"]
