"""Change integrations of assistants over the Integrations API, which Langdock and Odeus both have, word for word the
same: https://docs.langdock.com/en/developer/integrations-api/integrations-overview and
https://odeus.ai/docs/developer/integrations-api/update-action.

`systems` has the two systems, `requests_checked` what the API takes, `integrations_api` the calls, and `steps` what the
settings of a step ask for.
"""
