"""The systems whose connections the steps use."""

from activities.assistants.integrations_api import check
from bizproc import System, t

API_KEY = t(en="API key", de="API-Schlüssel", ru="Ключ API")

LANGDOCK = System("langdock", name="Langdock", secret=API_KEY, check=check, base_url="https://api.langdock.com")
ODEUS = System("odeus", name="Odeus", secret=API_KEY, check=check)
