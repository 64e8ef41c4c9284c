"""The documents that processes run on, as DOCUMENT_TYPE and FILTER name them (PROTOCOL.md section 6)."""

from typing import NamedTuple

LISTS = ("lists",)
CRM = ("crm",)
DISK = ("disk",)


class DocumentType(NamedTuple):
    """A kind of document: module, object and type."""

    module: str
    object: str
    type: str

    @property
    def entity(self) -> tuple[str, str]:
        """Module and object, for a FILTER rule that means every type of them."""
        return (self.module, self.object)


LEAD = DocumentType("crm", "CCrmDocumentLead", "LEAD")
CONTACT = DocumentType("crm", "CCrmDocumentContact", "CONTACT")
COMPANY = DocumentType("crm", "CCrmDocumentCompany", "COMPANY")
DEAL = DocumentType("crm", "CCrmDocumentDeal", "DEAL")
QUOTE = DocumentType("crm", r"Bitrix\Crm\Integration\BizProc\Document\Quote", "QUOTE")
SMART_INVOICE = DocumentType("crm", r"Bitrix\Crm\Integration\BizProc\Document\SmartInvoice", "SMART_INVOICE")


def dynamic(type_id: int) -> DocumentType:
    """The items of a smart process; ``type_id`` is its entityTypeId."""
    return DocumentType("crm", r"Bitrix\Crm\Integration\BizProc\Document\Dynamic", f"DYNAMIC_{type_id}")


def process(iblock_id: int) -> DocumentType:
    """The requests of a process in the feed."""
    return DocumentType("lists", "BizprocDocument", f"iblock_{iblock_id}")


def universal_list(iblock_id: int) -> DocumentType:
    """The elements of a universal list."""
    return DocumentType("lists", r"Bitrix\Lists\BizprocDocumentLists", f"iblock_{iblock_id}")


def storage(storage_id: int) -> DocumentType:
    """The files of a drive."""
    return DocumentType("disk", r"Bitrix\Disk\BizProcDocument", f"STORAGE_{storage_id}")


EXAMPLES: dict[str, DocumentType] = {
    "Lead": LEAD,
    "Contact": CONTACT,
    "Company": COMPANY,
    "Deal": DEAL,
    "Quote": QUOTE,
    "Invoice": SMART_INVOICE,
    "Smart process (DYNAMIC_1)": dynamic(1),
    "Process in the feed (iblock_1)": process(1),
    "Universal list (iblock_1)": universal_list(1),
    "Drive (STORAGE_1)": storage(1),
}
"""One of each kind, by the name that a person knows it by."""
