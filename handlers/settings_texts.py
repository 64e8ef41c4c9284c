"""What the settings dialog says, in the languages that this app speaks itself."""

from collections.abc import Mapping
from typing import Final

from bizproc.definition.text import LocalizedText, t

TEXTS: Final[Mapping[str, LocalizedText]] = {
    "yes": t(en="Yes", de="Ja", ru="Да"),
    "no": t(en="No", de="Nein", ru="Нет"),
    "unset": t(en="not set", de="nicht gesetzt", ru="не задано"),
    "choose": t(en="Choose…", de="Wählen…", ru="Выберите…"),
    "other": t(en="From the process…", de="Aus dem Prozess…", ru="Из процесса…"),
    "other_value": t(en="value from the process", de="Wert aus dem Prozess", ru="значение из процесса"),
    "unknown": t(en="not in the list", de="nicht in der Liste", ru="нет в списке"),
    "needed_mark": t(en="required", de="Pflichtfeld", ru="обязательно"),
    "add": t(en="Add", de="Hinzufügen", ru="Добавить"),
    "remove": t(en="Remove", de="Entfernen", ru="Удалить"),
    "insert": t(en="Insert a field of the document", de="Feld des Dokuments einfügen", ru="Вставить поле документа"),
    "choose_person": t(en="Choose a person", de="Person wählen", ru="Выбрать сотрудника"),
    "search": t(en="Search", de="Suchen", ru="Поиск"),
    "close": t(en="Close", de="Schließen", ru="Закрыть"),
    "nothing_found": t(en="Nothing found.", de="Nichts gefunden.", ru="Ничего не найдено."),
    "empty": t(
        en="This step has nothing to set.",
        de="Bei diesem Schritt ist nichts einzustellen.",
        ru="У этого шага нет настроек.",
    ),
    "kept": t(
        en="The step keeps its last value.",
        de="Der Schritt behält seinen letzten Wert.",
        ru="Шаг сохраняет прежнее значение.",
    ),
    "needed": t(en="A value is needed.", de="Ein Wert wird gebraucht.", ru="Нужно указать значение."),
    "int": t(en="This is no whole number.", de="Das ist keine ganze Zahl.", ru="Это не целое число."),
    "double": t(en="This is no number.", de="Das ist keine Zahl.", ru="Это не число."),
    "date": t(
        en="This is no date such as 2026-12-31.",
        de="Das ist kein Datum wie 31.12.2026.",
        ru="Это не дата вида 31.12.2026.",
    ),
    "datetime": t(
        en="This is no moment such as 2026-12-31 18:30.",
        de="Das ist kein Zeitpunkt wie 31.12.2026 18:30.",
        ru="Это не момент вида 31.12.2026 18:30.",
    ),
    "time": t(
        en="This is no time of day such as 18:30.",
        de="Das ist keine Uhrzeit wie 18:30.",
        ru="Это не время вида 18:30.",
    ),
    "email": t(en="This is no e-mail address.", de="Das ist keine E-Mail-Adresse.", ru="Это не адрес почты."),
    "phone": t(en="This is no phone number.", de="Das ist keine Telefonnummer.", ru="Это не номер телефона."),
    "web": t(en="This is no web address.", de="Das ist keine Webadresse.", ru="Это не веб-адрес."),
    "user": t(
        en="A person is written as user_1, with their number.",
        de="Eine Person wird als user_1 geschrieben, mit ihrer Nummer.",
        ru="Сотрудник записывается как user_1, со своим номером.",
    ),
    "json": t(en="This is no JSON:", de="Das ist kein JSON:", ru="Это не JSON:"),
    "line": t(en="line", de="Zeile", ru="строка"),
    "column": t(en="column", de="Spalte", ru="столбец"),
    "unlisted": t(
        en="The list could not be loaded. Open the settings again, or write the value.",
        de="Die Liste konnte nicht geladen werden. Öffnen Sie die Einstellungen noch einmal, oder schreiben Sie den"
        " Wert.",
        ru="Не удалось загрузить список. Откройте настройки ещё раз или впишите значение.",
    ),
    "unconnected": t(
        en="Your portal has no such connection yet. An administrator adds one on the app's own page.",
        de="Ihr Portal hat noch keine solche Verbindung. Ein Administrator fügt sie auf der Seite der App hinzu.",
        ru="На портале ещё нет такого подключения. Администратор добавляет его на странице приложения.",
    ),
    "unshown": t(
        en="The step holds a value that this form cannot show. It stays as it is.",
        de="Der Schritt hat einen Wert, den dieses Formular nicht zeigen kann. Er bleibt, wie er ist.",
        ru="Значение шага нельзя показать в этой форме. Оно останется прежним.",
    ),
    "untold": t(
        en="The portal did not tell what the step holds. What you do not change stays as it is.",
        de="Das Portal hat nicht gesagt, was im Schritt steht. Was Sie nicht ändern, bleibt, wie es ist.",
        ru="Портал не сообщил текущие значения шага. То, что вы не измените, останется прежним.",
    ),
    "no_portal": t(
        en="The portal does not answer, so nothing can be changed here. Open the settings again.",
        de="Das Portal antwortet nicht, hier lässt sich nichts ändern. Öffnen Sie die Einstellungen noch einmal.",
        ru="Портал не отвечает, изменить настройки нельзя. Откройте их ещё раз.",
    ),
}
HINTS: Final[Mapping[str, LocalizedText]] = {
    "date": t(en="2026-12-31", de="31.12.2026", ru="31.12.2026"),
    "datetime": t(en="2026-12-31 18:30", de="31.12.2026 18:30", ru="31.12.2026 18:30"),
    "time": t("18:30"),
    "user": t("user_1"),
}
NOT_PROVEN: Final = t(
    en="The portal could not be confirmed. Open the app once from your portal, then these settings again.",
    de="Das Portal konnte nicht bestätigt werden. Öffnen Sie einmal die App aus Ihrem Portal, dann noch einmal diese"
    " Einstellungen.",
    ru="Не удалось подтвердить портал. Откройте приложение на портале, затем снова эти настройки.",
)
NO_SUCH_STEP: Final = t(
    en="The app does not have this step any more.",
    de="Die App hat diesen Schritt nicht mehr.",
    ru="В приложении больше нет этого шага.",
)
