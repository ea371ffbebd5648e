"""The encrypted webhook sender: events as HTTP requests, signed and encrypted as the platform does it.

Signature: SHA-256 over timestamp, nonce, encrypt key and the raw body, as hex. Encryption: AES-256-CBC with
the SHA-256 of the key, a random IV in front, PKCS#7, base64, as ``{"encrypt": …}``. Every part can be forged
on its own: that is what the tests of the receiver need.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import time
from typing import Any

import aiohttp
from Crypto.Cipher import AES

from tests.emulators.feishu.limits import Limits


def encrypt(key: str, text: str) -> str:
    raw = text.encode()
    pad = AES.block_size - len(raw) % AES.block_size
    iv = os.urandom(AES.block_size)
    cipher = AES.new(hashlib.sha256(key.encode()).digest(), AES.MODE_CBC, iv)
    return base64.b64encode(iv + cipher.encrypt(raw + bytes([pad]) * pad)).decode()


def sign(timestamp: str, nonce: str, key: str, body: bytes) -> str:
    return hashlib.sha256((timestamp + nonce + key).encode() + body).hexdigest()


class Webhook:
    """Sends to ``url`` once that is set; ``key`` empty sends plain text, as an app without one gets it."""

    def __init__(self, key: str, token: str, limits: Limits) -> None:
        self.key = key
        self.token = token
        self.url = ""
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None
        self._nonces = 0

    async def push(self, payload: dict[str, Any]) -> bool:
        """Send an event; True when the bot answered 200 in time."""
        try:
            status, _ = await self.send(payload)
        except (TimeoutError, aiohttp.ClientError):
            return False
        return status == 200

    async def challenge(self) -> tuple[int, str]:
        """What the platform sends when the address is set up."""
        return await self.send({"challenge": "knock", "token": self.token, "type": "url_verification"})

    async def send(
        self,
        payload: dict[str, Any] | bytes,
        *,
        plain: bool = False,
        key: str | None = None,
        timestamp: str | None = None,
        nonce: str | None = None,
        signature: str | None = None,
        lower_case: bool = False,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """One request, each part as given or else as the platform makes it; returns status and body."""
        key = self.key if key is None else key
        text = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        body = text if plain or not key else json.dumps({"encrypt": encrypt(key, text.decode())}).encode()
        if headers is None:
            self._nonces += 1
            timestamp = str(int(time.time())) if timestamp is None else timestamp
            nonce = f"nonce{self._nonces}" if nonce is None else nonce
            headers = {
                "X-Lark-Request-Timestamp": timestamp,
                "X-Lark-Request-Nonce": nonce,
                "X-Lark-Signature": sign(timestamp, nonce, key, body) if signature is None else signature,
            }
        if lower_case:
            headers = {name.lower(): value for name, value in headers.items()}
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        timeout = aiohttp.ClientTimeout(total=self._limits.acknowledge_s)
        async with self._session.post(
            self.url, data=io.BytesIO(body), headers={"Content-Type": "application/json", **headers}, timeout=timeout
        ) as response:
            return response.status, await response.text()

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
