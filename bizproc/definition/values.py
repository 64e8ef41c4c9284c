"""Python types for values that Bitrix24 has and Python has not."""

import re


class User(str):
    """A user, group or role as the portal writes it: ``user_1``, ``group_d5``, ``author``."""

    @classmethod
    def of(cls, user_id: int) -> "User":
        return cls(f"user_{user_id}")

    @property
    def id(self) -> int | None:
        """The user's id, None for a group or a role."""
        found = re.fullmatch(r"user_(\d+)", self)
        return int(found[1]) if found else None
