"""Who a browser is: signed cookies, and the operator's link. The secret lies in the data folder, for us alone.

A cookie holds a member's id and nothing else; names and roles are looked up in the store, so that changing
them needs no new cookie.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

from bot.errors import UsageError

MEMBER_COOKIE = "maodou_member"
OPERATOR_COOKIE = "maodou_operator"
LANGUAGE_COOKIE = "maodou_language"
DAY_S = 86400.0


def load_secret(path: Path) -> str:
    """The signing secret of this installation, made at the first call and readable by its owner alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(file.fileno())
        path.chmod(0o600)
        secret = path.read_text().strip()
    except OSError as error:
        raise UsageError(f"The web room's secret cannot be kept in {path}: {error.strerror}.") from error
    if len(secret) < 32:
        raise UsageError(f"{path} holds no usable secret: delete it, and a new one is made (everyone joins again).")
    return secret


class Signatures:
    """Signs and checks what browsers are given to keep. Each kind has a salt of its own, so that none can
    stand for another."""

    def __init__(self, secret: str) -> None:
        self._members = URLSafeTimedSerializer(secret, salt="member")
        self._operators = URLSafeTimedSerializer(secret, salt="operator")
        self._links = URLSafeTimedSerializer(secret, salt="operator-link")

    def sign_member(self, member_id: str) -> str:
        return self._members.dumps(member_id)

    def read_member(self, cookie: str | None, *, max_age_s: float) -> str | None:
        """The member's id, or None for a cookie that is missing, forged or too old."""
        return _read(self._members, cookie, max_age_s)

    def sign_operator(self) -> str:
        return self._operators.dumps(secrets.token_urlsafe(9))

    def is_operator(self, cookie: str | None, *, max_age_s: float) -> bool:
        return _read(self._operators, cookie, max_age_s) is not None

    def sign_link(self) -> str:
        return self._links.dumps(secrets.token_urlsafe(12))

    def read_link(self, token: str, *, max_age_s: float) -> str | None:
        """The link's nonce, to be spent once; None when it is forged or too old."""
        return _read(self._links, token, max_age_s)


def _read(serializer: URLSafeTimedSerializer, value: str | None, max_age_s: float) -> str | None:
    if not value:
        return None
    try:
        loaded = serializer.loads(value, max_age=int(max_age_s))
    except BadData:
        return None
    return loaded if isinstance(loaded, str) else None
