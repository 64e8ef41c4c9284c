"""Text that a person reads in the designer, in one language or in several."""

from collections.abc import Mapping
from dataclasses import dataclass

PLAIN = "*"
"""Under this key the portal keeps a text that names no language (PROTOCOL.md section 6)."""


@dataclass(frozen=True)
class LocalizedText:
    """Texts by language: lower-case codes such as ``de``, and ``*`` for a text of no language."""

    texts: Mapping[str, str]

    def shown_in(self, language: str) -> str:
        """The text that a person with this language sees: theirs (Ukrainian falls back to Russian), else English,
        else the plain text, else nothing (PROTOCOL.md section 6)."""
        language = language.lower()
        wanted = [language, "ru"] if language == "ua" else [language]
        return next((self.texts[code] for code in [*wanted, "en", PLAIN] if code in self.texts), "")

    def to_bitrix(self) -> str | dict[str, str]:
        """A plain text as it is, anything else as an object by language."""
        if self.texts.keys() == {PLAIN}:
            return self.texts[PLAIN]
        return dict(self.texts)


Text = str | LocalizedText
"""What a field, an activity or an option group takes as a text: ``"Save"`` or ``t(en="Save", de="Speichern")``."""


def t(text: str | None = None, /, **by_language: str) -> LocalizedText:
    """A localized text: ``t(en="Save", de="Speichern")``, or ``t("Save")`` for all languages."""
    plain = {} if text is None else {PLAIN: text}
    return LocalizedText(plain | {code.lower(): words for code, words in by_language.items()})


def localized(text: Text) -> LocalizedText:
    return text if isinstance(text, LocalizedText) else t(text)
