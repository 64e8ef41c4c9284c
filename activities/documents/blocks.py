"""Read Markdown into the few kinds of blocks that a document is written from.

CommonMark with tables. HTML is text, and of an image only its description is kept: a document loads nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from .filling import SLOT

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Span:
    """Text in one style; it may hold line breaks (`\\n`). `link` is a full address, or None."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    link: str | None = None


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Heading:
    level: int  # 1 to 6
    spans: Spans


@dataclass(frozen=True)
class Paragraph:
    spans: Spans


@dataclass(frozen=True)
class Items:
    """A list; `start` is the first number, or None for bullets. A tight one has no space between its items."""

    items: tuple["Blocks", ...]
    start: int | None
    tight: bool


@dataclass(frozen=True)
class Table:
    """Rows of cells, the heading row first; every row has one cell for each of `aligns`."""

    rows: tuple[tuple[Spans, ...], ...]
    aligns: tuple[Align, ...]


@dataclass(frozen=True)
class Quote:
    blocks: "Blocks"


@dataclass(frozen=True)
class Code:
    text: str  # without the last line break


@dataclass(frozen=True)
class Rule:
    """A horizontal line."""


Block = Heading | Paragraph | Items | Table | Quote | Code | Rule
Blocks = tuple[Block, ...]


class _Markdown(MarkdownIt):
    def normalizeLink(self, url: str) -> str:  # noqa: N802
        """Leave addresses as written: encoding them would hide the slots for values. `_address` encodes them."""
        return url


_markdown = _Markdown("commonmark", {"html": False}).enable("table")


def parse(markdown: str, reveal: Callable[[str], str] = str) -> Blocks:
    """The blocks of the Markdown text, with `reveal` applied to every text in them."""
    return _Reader(reveal).blocks(SyntaxTreeNode(_markdown.parse(markdown)))


def title_of(blocks: Sequence[Block]) -> str:
    """The first heading's text on one line, or an empty text."""
    heading = next((block for block in blocks if isinstance(block, Heading)), Heading(1, ()))
    return " ".join("".join(span.text for span in heading.spans).split())


def column_widths(wanted: Sequence[float], width: float) -> list[float]:
    """Widths that fill `width`: narrow columns get what they want, wide ones share what is left, in the same unit."""
    given = dict.fromkeys(range(len(wanted)), 0.0)
    left = width
    for done, column in enumerate(sorted(given, key=lambda column: wanted[column])):
        given[column] = min(wanted[column], left / (len(wanted) - done))
        left -= given[column]
    return [share * width / (width - left) for share in given.values()]


class _Reader:
    def __init__(self, reveal: Callable[[str], str]) -> None:
        self.reveal = reveal

    def blocks(self, node: SyntaxTreeNode) -> Blocks:
        return tuple(self.block(child) for child in node.children)

    def block(self, node: SyntaxTreeNode) -> Block:
        match node.type:
            case "heading":
                return Heading(int(node.tag[1]), self.spans(node))
            case "paragraph":
                return Paragraph(self.spans(node))
            case "bullet_list" | "ordered_list":
                start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
                # The parser hides the paragraphs of a tight list.
                tight = any(child.hidden for item in node.children for child in item.children)
                return Items(tuple(self.blocks(item) for item in node.children), start, tight)
            case "table":
                rows = [row.children for part in node.children for row in part.children]
                return Table(
                    tuple(tuple(self.spans(cell) for cell in row) for row in rows),
                    tuple(_align(cell) for cell in rows[0]),
                )
            case "blockquote":
                return Quote(self.blocks(node))
            case "fence" | "code_block":
                return Code(self.reveal(node.content).removesuffix("\n"))
            case "hr":
                return Rule()
        raise NotImplementedError(node.type)  # the parser's rules above make no other kind

    def spans(self, node: SyntaxTreeNode, style: Span = Span("")) -> Spans:
        return tuple(span for child in node.children for span in self.inline(child, style))

    def inline(self, node: SyntaxTreeNode, style: Span) -> Iterator[Span]:
        match node.type:
            case "text":
                yield replace(style, text=self.reveal(node.content))
            case "code_inline":
                yield replace(style, text=self.reveal(node.content), code=True)
            case "softbreak":
                yield replace(style, text=" ")
            case "hardbreak":
                yield replace(style, text="\n")
            case "strong":
                yield from self.spans(node, replace(style, bold=True))
            case "em":
                yield from self.spans(node, replace(style, italic=True))
            case "link":
                yield from self.spans(node, replace(style, link=self.address(str(node.attrs["href"]))))
            case _:  # `inline`, which holds all the others, and `image`, which holds its description
                yield from self.spans(node, style)

    def address(self, href: str) -> str | None:
        """The address of a link of the template; None, and so no link, for what a reader should not be led to.

        A value may be a whole address. Within an address it is encoded, so that it cannot change the other parts.
        """
        if SLOT.fullmatch(href):
            url = self.reveal(href).strip()
        else:
            url = SLOT.sub(lambda slot: quote(self.reveal(slot[0]), safe=""), href)
        url = MarkdownIt.normalizeLink(_markdown, url)
        return url if re.match("https?://|mailto:|tel:", url, re.IGNORECASE) else None


def _align(cell: SyntaxTreeNode) -> Align:
    match cell.attrs.get("style"):
        case "text-align:right":
            return "right"
        case "text-align:center":
            return "center"
    return "left"
