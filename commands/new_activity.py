"""What ``flask activities new CODE`` writes: a module for an activity, and its test."""

import builtins
import keyword
import re
from pathlib import Path
from string import Template

import click

import bizproc
from bizproc.definition.checks import check
from bizproc.definition.definition import Definition
from bizproc.definition.text import t

MODULE_CHARACTERS = 40
"""With longer names the written lines would be too long."""
TAKEN = frozenset((*keyword.kwlist, *dir(builtins), *bizproc.__all__, "process", "pytest"))
"""Names that mean something else in the written files."""

MODULE = Template('''\
"""$name."""

from bizproc import ActivityFailed, Context, Properties, ReturnProperties, activity, string, t


class Input(Properties):
    words: str = string(t(en="Text", de="Text", ru="Текст"), required=True)


class Output(ReturnProperties):
    result: str | None = string(t(en="Result", de="Ergebnis", ru="Результат"), default=None)
    error: str | None = string(t(en="Error", de="Fehler", ru="Ошибка"), default=None)


@activity(
    "$code",
    name=t(
        en="$name",
        de="$name",
        ru="$name",
    ),
    description=t(
        en="Returns the text in capital letters",
        de="Gibt den Text in Großbuchstaben zurück",
        ru="Возвращает текст заглавными буквами",
    ),
    waits=True,
)
def $module(given: Input, context: Context) -> Output:
    if not given.words.strip():
        raise ActivityFailed("The text is empty.")
    context.log(f"The text has {len(given.words)} characters.")
    return Output(result=given.words.upper())
''')

TEST = Template('''\
"""The activity as a function: no portal is needed."""

import pytest

from activities.$module import Input, Output, $module
from bizproc import ActivityFailed
from bizproc.testing import Process


def test_the_text_comes_back_in_capital_letters() -> None:
    process = Process()
    assert $module(Input(words="Straße 1"), process) == Output(result="STRASSE 1")
    assert process.said == ["The text has 8 characters."]


def test_an_empty_text_is_told_to_the_process() -> None:
    with pytest.raises(ActivityFailed, match="The text is empty"):
        $module(Input(words=" "), Process())
''')


def write(code: str, folder: Path, tests: Path) -> list[Path]:
    """Write a small activity that works, and its test; gives their paths.

    folder: the package of the activities; tests: where their tests are

    Raises ClickException for a code that a portal refuses, and where one of the files is there already.
    """
    faults = [fault for fault in check(Definition(code, "activity", t(en="Any"))) if fault.path == "code"]
    if faults:
        raise click.ClickException("\n".join(map(str, faults)))
    module = module_name(code)
    files = {folder / f"{module}.py": MODULE, tests / f"test_{module}.py": TEST}
    for path in (*files, folder / module):
        if path.exists():
            raise click.ClickException(f"{path} is there already: choose another code, or remove it.")
    name = module.strip("_").replace("_", " ").capitalize() or code
    for path, template in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(template.substitute(code=code, module=module, name=name), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
    return list(files)


def module_name(code: str) -> str:
    """The code as a name of a module and of its function: ``Send-SMS.2`` becomes ``send_sms_2``, ``import``
    ``import_``, and ``2nd`` and ``test`` ``activity_2nd`` and ``activity_test``."""
    name = re.sub(r"\W", "_", code, flags=re.ASCII).lower()[:MODULE_CHARACTERS]
    if name in TAKEN:
        return f"{name}_"
    plain = name[0].isalpha() and not name.startswith("test")  # pytest would take the function for a test
    return name if plain else f"activity_{name}"[:MODULE_CHARACTERS]
