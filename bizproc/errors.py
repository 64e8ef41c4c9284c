"""The root of all errors that this package raises on purpose."""


class BizprocError(Exception):
    """Its text is for a person: what was wrong, where, and what to do. It never holds a token or a secret."""
