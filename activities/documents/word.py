"""Write blocks as a Word file (DOCX) in Word's own styles, so that it can be worked on further."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.text.parfmt import CT_PPr
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Mm, Pt, RGBColor
from docx.styles.style import ParagraphStyle
from docx.text.paragraph import Paragraph as WordParagraph
from docx.text.run import Run

from .blocks import Align, Block, Code, Heading, Items, Paragraph, Quote, Rule, Span, Table, column_widths

_MADE = datetime(1980, 1, 1, tzinfo=UTC)  # the time of day would make every run's bytes differ
_ALIGN: dict[Align, WD_ALIGN_PARAGRAPH] = {
    "left": WD_ALIGN_PARAGRAPH.LEFT,
    "center": WD_ALIGN_PARAGRAPH.CENTER,
    "right": WD_ALIGN_PARAGRAPH.RIGHT,
}
_HEADINGS = {1: 17, 2: 13.5, 3: 11.5}  # points; deeper ones are as large as the text
_TEXT, _LINK = RGBColor(25, 25, 25), RGBColor(17, 85, 170)

_CELL, _CHARACTER = 4.5, 2.2  # mm: a cell's padding, and a wide guess at a character, to share out a table's width


def write(blocks: Sequence[Block], title: str) -> bytes:
    """The DOCX file's bytes, the same for the same blocks and title."""
    return _Writer(title).write(blocks)


class _Writer:
    def __init__(self, title: str) -> None:
        self.document = Document()
        about = self.document.core_properties
        about.title = title[:255]  # the format allows no more
        about.author = about.comments = ""
        about.created = about.modified = _MADE
        section = self.document.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin, section.right_margin = Mm(25), Mm(20)
        section.top_margin, section.bottom_margin = Mm(22), Mm(25)
        self.set_styles()
        number = section.footer.paragraphs[0]
        self.font("Footer", 8)
        number.alignment = WD_ALIGN_PARAGRAPH.CENTER
        number._p.append(_element("w:fldSimple", instr="PAGE"))

    def set_styles(self) -> None:
        """One sans-serif face and one ink, in place of the library's blue headings and serif text."""
        self.font("Normal", 10.5)
        self.style("Normal").paragraph_format.space_after = Pt(7)
        for level in range(1, 7):
            self.font(f"Heading {level}", _HEADINGS.get(level, 10.5))
            spacing = self.style(f"Heading {level}").paragraph_format
            spacing.space_before, spacing.space_after = Pt(14), Pt(6)
        self.style("Quote").paragraph_format.left_indent = Mm(8)
        _border(self.style("Quote").element.get_or_add_pPr(), "left")
        # A cell's padding, by which tables would else stick out of the text on the left.
        self.document.styles["Table Grid"].element.find(f".//{qn('w:tblInd')}").set(qn("w:w"), "108")

    def style(self, name: str) -> ParagraphStyle:
        style = self.document.styles[name]
        assert isinstance(style, ParagraphStyle)  # noqa: S101  the names here are those of paragraphs
        return style

    def font(self, name: str, size: float) -> None:
        font = self.style(name).font
        fonts = font.element.get_or_add_rPr().get_or_add_rFonts()
        fonts.attrib.clear()  # a theme's font would go before the named one
        for script in ("ascii", "hAnsi", "cs", "eastAsia"):
            fonts.set(qn(f"w:{script}"), "Arial")
        font.size, font.color.rgb = Pt(size), _TEXT

    def write(self, blocks: Sequence[Block]) -> bytes:
        for block in blocks:
            self.block(block, "Normal", 0)
        made = BytesIO()
        self.document.save(made)
        return _undated(made)

    def block(self, block: Block, style: str, depth: int) -> None:
        """Append a block; `style` is for plain paragraphs, `depth` the number of lists around it."""
        match block:
            case Heading(level, spans):
                self.paragraph(spans, f"Heading {level}")
            case Paragraph(spans):
                self.paragraph(spans, style)
            case Items():
                self.items(block, depth + 1)
            case Table():
                self.table(block)
            case Quote(blocks):
                for inner in blocks:
                    self.block(inner, "Quote", depth)
            case Code(text):
                self.paragraph([Span(text, code=True)], style)
            case Rule():
                _border(self.document.add_paragraph()._p.get_or_add_pPr(), "bottom")

    def paragraph(self, spans: Sequence[Span], style: str) -> WordParagraph:
        paragraph = self.document.add_paragraph(style=style)
        self.text(paragraph, spans)
        return paragraph

    def items(self, block: Items, depth: int) -> None:
        level = "" if depth == 1 else f" {min(depth, 3)}"  # Word's styles go three deep
        marked = f"List Bullet{level}" if block.start is None else f"List Number{level}"
        numbering = None if block.start is None else self.numbering(marked, block.start)
        for item in block.items:
            first, rest = (item[0], item[1:]) if item and isinstance(item[0], Paragraph) else (Paragraph(()), item)
            paragraph = self.paragraph(first.spans, marked)
            if numbering is not None:
                paragraph._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = numbering
            if not block.tight:
                paragraph._p.get_or_add_pPr().append(_element("w:contextualSpacing", val="0"))
            for inner in rest:
                self.block(inner, f"List Continue{level}", depth)

    def numbering(self, style: str, start: int) -> int:
        """A numbering of its own, as the style's would go on counting from the list before."""
        numberings = self.document.part.numbering_part.element
        used = self.style(style).element.pPr.numPr.numId.val
        number = numberings.add_num(numberings.num_having_numId(used).abstractNumId.val)
        number.add_lvlOverride(ilvl=0).add_startOverride(start)
        return int(number.numId)

    def table(self, block: Table) -> None:
        table = self.document.add_table(len(block.rows), len(block.aligns), "Table Grid")
        wanted = [_CELL + _CHARACTER * max(map(_longest, column)) for column in zip(*block.rows, strict=True)]
        widths = column_widths(wanted, 165)
        for column, width in zip(table.columns, widths, strict=True):
            column.width = Mm(width)
        # Cells by way of the table would be counted anew for each: a second for a thousand rows.
        for index, (row, cells) in enumerate(zip(table.rows, block.rows, strict=True)):
            for cell, spans, align, width in zip(row.cells, cells, block.aligns, widths, strict=True):
                cell.width = Mm(width)
                paragraph = cell.paragraphs[0]
                paragraph.alignment = _ALIGN[align]
                paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(3)
                self.text(paragraph, spans if index else [replace(span, bold=True) for span in spans])
        table.rows[0]._tr.get_or_add_trPr().append(_element("w:tblHeader"))  # repeated on every page
        for cell in table.rows[0].cells:
            cell._tc.get_or_add_tcPr().append(_element("w:shd", val="clear", fill="F0F0F0"))
        self.document.add_paragraph().paragraph_format.space_after = Pt(0)  # or Word joins two tables to one

    def text(self, paragraph: WordParagraph, spans: Sequence[Span]) -> None:
        for span in spans:
            run = paragraph.add_run(span.text)  # makes line breaks and tabs of \n and \t
            run.bold, run.italic = span.bold or None, span.italic or None
            if span.code:
                run.font.name = "Courier New"
            if span.link:
                self.link(paragraph, run, span.link)

    def link(self, paragraph: WordParagraph, run: Run, address: str) -> None:
        run.font.underline, run.font.color.rgb = True, _LINK
        link = OxmlElement("w:hyperlink")
        link.set(qn("r:id"), self.document.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True))
        paragraph._p.append(link)
        link.append(run._r)


def _longest(spans: Sequence[Span]) -> int:
    """Characters in the longest line."""
    return max(map(len, "".join(span.text for span in spans).split("\n")))


def _element(tag: str, **attributes: str) -> BaseOxmlElement:
    return OxmlElement(tag, {qn(f"w:{name}"): value for name, value in attributes.items()})


def _border(properties: CT_PPr, side: str) -> None:
    """A line on one side of the paragraphs with these properties, at the place that the format's schema demands."""
    borders = _element("w:pBdr")
    borders.append(_element(f"w:{side}", val="single", sz="6", space="8" if side == "left" else "1", color="AAAAAA"))
    properties.insert_element_before(borders, "w:spacing", "w:ind", "w:contextualSpacing", "w:jc", "w:rPr")


def _undated(made: BytesIO) -> bytes:
    """The same archive without the time at which its parts were packed."""
    undated = BytesIO()
    with ZipFile(made) as source, ZipFile(undated, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(ZipInfo(name), source.read(name), ZIP_DEFLATED)
    return undated.getvalue()
