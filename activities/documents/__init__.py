"""Make a PDF or Word document from a Markdown template and values.

The template belongs to the operator and says what the document looks like; the values come from a process and are
plain text, whatever characters they hold. `filling` keeps the two apart, `blocks` reads the Markdown, `pdf` and `word`
each write one format. The same template and values always give the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from .blocks import parse, title_of
from .filling import TemplateError, fill, outline

__all__ = ["TemplateError", "render", "templates"]


def templates(folder: Path) -> dict[str, str]:
    """Name (file name without `.md`) and title (first heading without placeholders) of each template, by name.

    Raises TemplateError when there is no such folder, no template in it, or one that is not text.
    """
    if not folder.is_dir():
        raise TemplateError(f"There is no folder of templates at {folder}. Create it, or correct the setting.")
    found = sorted(folder.glob("*.md"))
    if not found:
        raise TemplateError(f"The folder {folder} holds no template. Put at least one Markdown file (*.md) into it.")
    return {path.stem: title_of(parse(outline(path))) or path.stem for path in found}


def render(template: Path, values: Mapping[str, str], format: Literal["pdf", "docx"]) -> bytes:  # noqa: A002
    """The document as the bytes of a file: A4, titled by its first heading or else by the template's name.

    In the template each value has its own name, and `values` holds those that the template does not name itself.
    Raises TemplateError, which names the template and where known the line, when it cannot be read, is wrong,
    needs a value that is not given, or makes too much text.
    """
    filled = fill(template, values)
    blocks = parse(filled.markdown, filled.reveal)
    # Imported here: their libraries take longer to load than the app, and most of its processes make no document.
    if format == "pdf":
        from .pdf import write
    else:
        from .word import write
    return write(blocks, title_of(blocks) or template.stem)
