"""Where FILTER shows an activity: the portal's own evaluation, for both editions.

Source of the rules: PROTOCOL.md section 6 and the conformance group `filter_match`.
"""

from collections.abc import Sequence
from typing import Any, Literal

from bizproc.php import PhpArray, PhpValue, from_json, is_list, loosely_equal, to_text

Edition = Literal["b24", "box"]


def shown(filter_: Any, document_type: Sequence[str] | None, edition: Edition) -> bool:
    """Whether the designer shows an activity with FILTER `filter_` for `document_type` in `edition`.

    Args:
        filter_: FILTER as sent or stored, `{"INCLUDE": [...], "EXCLUDE": [...]}`, of JSON values or PHP arrays.
            Anything that is no array hides nothing, and neither do keys other than these two.
        document_type: module, object and type; None or empty where the designer knows none yet: then every rule
            that is a document type applies.
    """
    rules = from_json(filter_)
    if not isinstance(rules, dict):
        return True
    for key, wanted in rules.items():
        if key == "INCLUDE" and not _applies(wanted, document_type, edition):
            return False
        if key == "EXCLUDE" and _applies(wanted, document_type, edition):
            return False
    return True


def _applies(rules: PhpValue, document_type: Sequence[str] | None, edition: Edition) -> bool:
    """Whether any rule does. Something that is no list counts as one rule."""
    alternatives = rules if isinstance(rules, dict) and is_list(rules) else {0: rules}
    return any(
        _begins(rule, document_type) if isinstance(rule, dict) else to_text(rule) == edition
        for rule in alternatives.values()
    )


def _begins(rule: PhpArray, document_type: Sequence[str] | None) -> bool:
    """Whether the document type begins with `rule`, as far as that goes; an empty rule is no beginning."""
    if not document_type:
        return True
    begins = False
    for index, part in enumerate(document_type):
        wanted = rule.get(index)
        if wanted is None:
            break
        begins = loosely_equal(wanted, part)
        if not begins:
            break
    return begins
