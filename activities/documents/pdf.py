"""Write blocks as a PDF file.

fpdf2 draws, measures and embeds the fonts; the line breaks are made here, because its tables take neither mixed styles
within a cell nor rows that are longer than a page. All lengths are millimetres, font sizes are points.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont

from .blocks import Align, Block, Code, Heading, Items, Paragraph, Quote, Rule, Span, Table, column_widths

_FONTS = Path(__file__).with_name("fonts")
_SANS = {"": "DejaVuSans", "B": "DejaVuSans-Bold", "I": "DejaVuSans-Oblique", "BI": "DejaVuSans-BoldOblique"}

_WIDTH, _HEIGHT = 210.0, 297.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 25.0, 20.0, 22.0, 25.0
_SIZE = 10.0
_HEADINGS = {1: 17.0, 2: 13.5, 3: 11.5}  # deeper ones are as large as the text
_BULLETS = "•◦▪"
_INDENT = 7.0
_PAD = 1.6  # between a table's lines and its text
_GAP, _TIGHT = 2.8, 0.8  # above a block; above a block of a tight list
_TEXT, _LINK, _GREY = (25, 25, 25), (17, 85, 170), (120, 120, 120)
_LINES, _SHADE = (170, 170, 170), (240, 240, 240)


def write(blocks: Sequence[Block], title: str) -> bytes:
    """The PDF file's bytes, the same for the same blocks and title."""
    pages = _Pages(title)
    pages.flow(blocks, _LEFT)
    return bytes(pages.output())


@dataclass(frozen=True)
class _Piece:
    text: str
    span: Span
    width: float


_Line = list[_Piece]


class _Pages(FPDF):
    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        self.set_title(title)
        # fpdf2 demands a date, and the time of day would make every run's bytes differ.
        self.set_creation_date(datetime(1980, 1, 1, tzinfo=UTC))
        self.alias_nb_pages("")  # or a value "{nb}" would become the number of pages
        self.set_auto_page_break(False)
        self.set_margins(_LEFT, _TOP, _RIGHT)
        self.c_margin = 0
        self.set_draw_color(*_LINES)
        self.set_line_width(0.2)
        self.bars: list[float] = []  # where the bars of the open quotes are
        self.depth = 0  # of lists
        self.add_page()

    def footer(self) -> None:
        self.use(Span(""), 8)
        self.set_text_color(*_GREY)
        self.set_xy(_LEFT, _HEIGHT - 15)
        self.cell(_WIDTH - _LEFT - _RIGHT, 4, str(self.page_no()), align="C")

    # Place on the page

    @property
    def space(self) -> float:
        return _HEIGHT - _BOTTOM - self.y

    def need(self, height: float) -> None:
        """Go to a new page unless this one has the height left."""
        if height > self.space and self.y > _TOP:
            self.add_page()

    def down(self, height: float) -> None:
        for x in self.bars:
            self.set_fill_color(*_LINES)
            self.rect(x, self.y, 0.8, height, style="F")
        self.y += height

    def gap(self, height: float) -> None:
        if self.y > _TOP:
            self.down(min(height, max(self.space, 0)))

    # Blocks, each from the current height on and from x to the right margin

    def flow(self, blocks: Sequence[Block], x: float, *, tight: bool = False) -> None:
        for index, block in enumerate(blocks):
            if index:
                self.gap(_TIGHT if tight else 2 * _GAP if isinstance(block, Heading) else _GAP)
            self.block(block, x)

    def block(self, block: Block, x: float) -> None:
        width = _WIDTH - _RIGHT - x
        match block:
            case Heading(level, spans):
                size = _HEADINGS.get(level, _SIZE)
                lines = self.wrap([replace(span, bold=True) for span in spans], size, width)
                # Two lines of text more: a heading does not stay alone at the foot of a page.
                self.need(len(lines) * _leading(size) + 2 * _leading(_SIZE) + _GAP)
                self.lines(lines, size, x, width)
            case Paragraph(spans):
                self.lines(self.wrap(spans, _SIZE, width), _SIZE, x, width)
            case Items():
                self.items(block, x)
            case Table():
                self.table_of(block, x, width)
            case Quote(blocks):
                self.bars.append(x + 1)
                self.flow(blocks, x + _INDENT)
                self.bars.pop()
            case Code(text):
                self.lines(self.wrap([Span(text, code=True)], _SIZE - 1, width), _SIZE - 1, x, width, shade=True)
            case Rule():
                self.need(2 * _GAP)
                self.line(x, self.y + _GAP / 2, x + width, self.y + _GAP / 2)
                self.down(_GAP)

    def items(self, block: Items, x: float) -> None:
        bullet = _BULLETS[min(self.depth, len(_BULLETS) - 1)]
        markers = [bullet if block.start is None else f"{block.start + index}." for index in range(len(block.items))]
        widest = max(self.wrap([Span(marker)], _SIZE, _WIDTH)[0][0].width for marker in markers)
        indent = max(_INDENT, widest + 3)
        self.depth += 1
        for index, (marker, item) in enumerate(zip(markers, block.items, strict=True)):
            if index:
                self.gap(_TIGHT if block.tight else _GAP)
            self.need(_leading(_SIZE))
            self.draw(self.wrap([Span(marker)], _SIZE, _WIDTH)[0], _SIZE, x + 1, indent)
            if item:
                self.flow(item, x + indent, tight=block.tight)
            else:
                self.down(_leading(_SIZE))
        self.depth -= 1

    def table_of(self, table: Table, x: float, width: float) -> None:
        head = [[replace(span, bold=True) for span in cell] for cell in table.rows[0]]
        cells = [head, *table.rows[1:]]
        # A little more than the text, or rounding could break a line that just fits.
        wanted = [
            max(_width(line) for cell in column for line in self.wrap(cell, _SIZE, width)) + 2 * _PAD + 0.1
            for column in zip(*cells, strict=True)
        ]
        widths = column_widths(wanted, width)
        rows = [
            [self.wrap(cell, _SIZE, wide - 2 * _PAD) for cell, wide in zip(row, widths, strict=True)] for row in cells
        ]
        repeated = max(len(lines) for lines in rows[0]) <= 5  # a longer heading row would leave no room under it
        for index, row in enumerate(rows):
            rest = max(len(lines) for lines in row)
            done = 0
            while rest:
                # A row goes to the next page whole unless it is very long, the heading row with the start of another.
                if self.room() < (rest + 3 if not index else min(rest, 30)) and self.y > _TOP:
                    self.add_page()
                    if index and repeated:
                        self.row(rows[0], table.aligns, widths, x, head=True)
                take = min(rest, max(self.room(), 1))
                self.row([lines[done : done + take] for lines in row], table.aligns, widths, x, head=not index)
                done, rest = done + take, rest - take

    def room(self) -> int:
        """How many lines a table row can have on the rest of this page."""
        return int((self.space - 2 * _PAD) / _leading(_SIZE))

    def row(
        self, cells: Sequence[list[_Line]], aligns: Sequence[Align], widths: list[float], x: float, *, head: bool
    ) -> None:
        height = max(len(lines) for lines in cells) * _leading(_SIZE) + 2 * _PAD
        top = self.y
        for lines, align, width in zip(cells, aligns, widths, strict=True):
            self.set_fill_color(*_SHADE)
            self.rect(x, top, width, height, style="DF" if head else "D")
            for index, line in enumerate(lines):
                self.y = top + _PAD + index * _leading(_SIZE)
                self.draw(line, _SIZE, x + _PAD, width - 2 * _PAD, align)
            x += width
        self.y = top
        self.down(height)

    # Lines

    def lines(self, lines: list[_Line], size: float, x: float, width: float, *, shade: bool = False) -> None:
        for line in lines:
            self.need(_leading(size))
            if shade:
                self.set_fill_color(*_SHADE)
                self.rect(x - 1, self.y, width + 1, _leading(size), style="F")
            self.draw(line, size, x, width)
            self.down(_leading(size))

    def draw(self, line: _Line, size: float, x: float, width: float, align: Align = "left") -> None:
        """Draw one line at the current height, which stays as it is."""
        y = self.y
        free = width - _width(line)
        x += {"left": 0.0, "center": free / 2, "right": free}[align]
        for span, group in groupby(line, key=lambda piece: piece.span):
            pieces = list(group)
            wide = sum(piece.width for piece in pieces)
            self.use(span, size)
            self.set_text_color(*(_LINK if span.link else _TEXT))
            self.set_xy(x, y)
            self.cell(wide, _leading(size), "".join(piece.text for piece in pieces), link=span.link or "")
            x += wide
        self.y = y

    def wrap(self, spans: Sequence[Span], size: float, width: float) -> list[_Line]:
        """The spans as lines of that width: broken at spaces, and within a word only if it is wider than a line.

        Spaces at a break stay, beyond the margin, so that the text can be copied as it was.
        """
        lines: list[_Line] = [[]]
        used = 0.0  # of the last line's width
        word: _Line = []

        def place(pieces: _Line) -> None:
            nonlocal used
            needed = sum(piece.width for piece in pieces)
            if used and used + needed > width:
                lines.append([])
                used = 0
            lines[-1].extend(pieces)
            used += needed

        def finish() -> None:
            if sum(piece.width for piece in word) <= width:
                place(word)
            else:
                for piece in word:
                    for character in piece.text:
                        place([self.piece(character, piece.span, size)])
            word.clear()

        for piece in self.pieces(spans, size):
            if piece.text.strip(" \n"):
                word.append(piece)
                continue
            finish()
            if piece.text == "\n":
                lines.append([])
                used = 0
            else:
                lines[-1].append(piece)
                used += piece.width
        finish()
        return lines

    def pieces(self, spans: Sequence[Span], size: float) -> Iterator[_Piece]:
        """The spans cut into words, spaces and line breaks."""
        for span in spans:
            for text in re.findall(r"\n| +|[^ \n]+", span.text.replace("\t", "    ")):
                yield _Piece(text, span, 0) if text == "\n" else self.piece(text, span, size)

    def piece(self, text: str, span: Span, size: float) -> _Piece:
        characters = self.use(span, size).cmap
        shown = "".join(character if ord(character) in characters else "\ufffd" for character in text)
        return _Piece(shown, span, self.get_string_width(shown))

    def use(self, span: Span, size: float) -> TTFFont:
        """Choose the span's font. Each is loaded when first used: most documents need one or two of the five."""
        style = "" if span.code else "B" * span.bold + "I" * span.italic
        family, name = ("mono", "DejaVuSansMono") if span.code else ("sans", _SANS[style])
        if family + style not in self.fonts:
            self.add_font(family, style, _FONTS / f"{name}.ttf")
        self.set_font(family, style + "U" * bool(span.link), size)
        font = self.current_font
        assert isinstance(font, TTFFont)  # noqa: S101  no other fonts are added
        return font


def _leading(size: float) -> float:
    """The height of a line in that font size."""
    return size * 0.3528 * 1.42


def _width(line: Sequence[_Piece]) -> float:
    """The line's width without spaces at its end."""
    end = len(line)
    while end and not line[end - 1].text.strip(" "):
        end -= 1
    return sum(piece.width for piece in line[:end])
