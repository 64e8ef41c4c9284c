"""Fill the placeholders of a template so that no value can become formatting.

Escaping for Markdown depends on what stands around a value (line start, table, link …). So values do not pass through
the Markdown parser at all: Jinja writes a numbered slot in their place, the parser takes the slot for a word, and only
the finished document's text gets the value.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

MAX_CHARACTERS = 1024 * 1024  # of a template, and of the text made from it
MAX_TURNS = 100_000  # of all loops of a template together

# Characters that Unicode reserves for a program's inner use; `plain` removes them from everything else.
SLOT = re.compile("\ufdd0([0-9]+)\ufdd1")
# What is no text in XML 1.0 (control characters, halves of surrogate pairs), and Unicode's non-characters.
_NO_TEXT = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)

# A macro's or captured block's text would come back as a value, and so as plain text; other files are not reachable.
_STATEMENTS = (nodes.Output, nodes.If, nodes.For, nodes.Assign, nodes.With)


class TemplateError(Exception):
    """A template cannot become a document. The message tells a person what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Filled:
    """A template's Markdown with slots in place of values, and the values by slot number."""

    markdown: str
    values: list[str]

    def reveal(self, text: str) -> str:
        """The text with its slots replaced by their values."""
        return SLOT.sub(lambda slot: self.values[int(slot[1])], text)


class _Missing(jinja2.StrictUndefined):
    """A value that is not given: `{% if name %}` may ask for it, every other use is an error."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]  # the strict one never returns
        return False


def plain(value: object) -> str:
    """The value as text with line breaks as `\\n`; what no document can hold is shown as U+FFFD."""
    return _NO_TEXT.sub("\ufffd", str(value).replace("\r\n", "\n").replace("\r", "\n"))


def outline(template: Path) -> str:
    """The template's Markdown without its placeholders."""
    return _JINJA.sub("", _read(template))


def fill(template: Path, values: Mapping[str, str]) -> Filled:
    """Fill the template. Raises TemplateError as `activities.documents.render` describes."""
    source = _read(template)
    slots: list[str] = []
    size = turns = 0

    def grow(characters: int) -> None:
        nonlocal size
        size += characters
        if size > MAX_CHARACTERS:
            raise jinja2.TemplateRuntimeError(
                f"the text grows over {MAX_CHARACTERS} characters; loops or values are too long"
            )

    # Asking for the context keeps Jinja from calling this while it compiles.
    @jinja2.pass_context
    def slot(_context: Context, value: object) -> str:
        text = plain(value)
        grow(len(text))
        slots.append(text)
        return f"\ufdd0{len(slots) - 1}\ufdd1"

    def counted(items: Iterable[Any]) -> Iterator[Any]:
        nonlocal turns
        for item in items:
            turns += 1
            if turns > MAX_TURNS:
                raise jinja2.TemplateRuntimeError(f"the loops turn more than {MAX_TURNS} times")
            yield item

    environment = ImmutableSandboxedEnvironment(
        undefined=_Missing, finalize=slot, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.globals = {"range": safe_range}
    environment.filters["counted"] = counted
    file = str(template)
    try:
        tree = environment.parse(source, template.name, file)
        _check_statements(tree)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
        code = environment.compile(tree, template.name, file)
        named = meta.find_undeclared_variables(tree)
        rest = {name: value for name, value in values.items() if name not in named or name == "values"}
        chunks = []
        for chunk in environment.template_class.from_code(environment, code, environment.globals).generate(
            {**values, "values": rest}
        ):
            grow(len(chunk))
            chunks.append(chunk)
    except jinja2.TemplateSyntaxError as error:
        raise _error(f"{template.name}, line {error.lineno}", error.message, "Correct the template") from error
    except jinja2.UndefinedError as error:
        given = ", ".join(sorted(values)) or "no values"
        advice = 'Give the value, or write a default into the template: {{ name | default("…") }}'
        raise _error(_place(template, error), f"{error}. Given are: {given}", advice) from error
    except jinja2.TemplateError as error:
        raise _error(_place(template, error), error, "Correct the template") from error
    except Exception as error:  # an expression of a template can fail in any way that Python can
        raise _error(_place(template, error), f"{type(error).__name__}: {error}", "Correct the template") from error
    return Filled("".join(chunks), slots)


def _read(template: Path) -> str:
    try:
        with template.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise TemplateError(f"There is no template {template.name} in {template.parent}.") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{template.name} is not UTF-8 text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise TemplateError(f"{template.name} cannot be read: {error.strerror}.") from error
    if len(text) > MAX_CHARACTERS:
        raise TemplateError(f"{template.name} is longer than {MAX_CHARACTERS} characters. Shorten it.")
    return plain(text)


def _check_statements(tree: nodes.Template) -> None:
    for statement in tree.find_all(nodes.Stmt):
        recursive = isinstance(statement, nodes.For) and statement.recursive
        if recursive or not isinstance(statement, _STATEMENTS):
            kind = "recursive for" if recursive else type(statement).__name__.lower()
            raise jinja2.TemplateSyntaxError(
                f"a statement of the kind '{kind}' is not possible; if, for, set and with are", statement.lineno
            )


def _error(place: str, fault: object, advice: str) -> TemplateError:
    return TemplateError(f"{place}: {str(fault).rstrip('.')}. {advice}.")


def _place(template: Path, error: BaseException) -> str:
    """Template and line; Jinja puts the template's lines into the traceback."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(template)]
    return f"{template.name}, line {lines[-1]}" if lines else template.name
