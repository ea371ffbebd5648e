"""Where models come from: the file APIs of Hugging Face (and its mirrors) and of ModelScope.

Hugging Face: https://huggingface.co/docs/hub/api (``/api/models/{id}/revision/{revision}?blobs=true``, files at
``/{id}/resolve/{commit}/{path}``). ModelScope: ``/api/v1/models/{id}`` and ``…/repo/files``, as its own client
(``modelscope/hub/api.py``) calls them. Both name each file's size and a checksum:
SHA-256, or git's own of a small file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx

from bot.errors import MaodouError, UsageError

HubKind = Literal["huggingface", "modelscope"]
ADDRESSES: dict[HubKind, str] = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}
CONNECT_S, READ_S = 10.0, 60.0

NAMED = {
    "internlm2_5-7b-chat": {"huggingface": "internlm", "modelscope": "Shanghai_AI_Laboratory"},
    "internlm2_5-1_8b-chat": {"huggingface": "internlm", "modelscope": "Shanghai_AI_Laboratory"},
    "internlm3-8b-instruct": {"huggingface": "internlm", "modelscope": "Shanghai_AI_Laboratory"},
}
"""Models that need no owner before their name, and whose they are on each hub."""

_WANTED = (".safetensors", ".json", ".model", ".jinja", ".txt", ".py")
_UNWANTED = ("onnx/", "openvino/", ".git", "runs/")


class HubError(MaodouError):
    """A hub does not have what was asked for, or does not answer; a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """``sha256`` or ``blob`` (SHA-1 of git's object) is known, or neither."""

    path: str
    bytes: int
    sha256: str = ""
    blob: str = ""

    def checksum(self) -> Any:
        """To be fed the file; None where the hub tells nothing to compare with."""
        if self.sha256:
            return hashlib.sha256()
        if self.blob:
            return hashlib.sha1(f"blob {self.bytes}\0".encode(), usedforsecurity=False)
        return None

    @property
    def expected(self) -> str:
        return self.sha256 or self.blob


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a hub says about a model. ``revision``: the commit, where the hub names one."""

    name: str
    revision: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class Hub:
    """One hub. ``address``: of a mirror that speaks as the hub does; empty: the hub's own."""

    def __init__(self, kind: HubKind, address: str = "", token: str = "") -> None:
        self.kind = kind
        self.address = (address or ADDRESSES[kind]).rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{self.address} is no address of a hub: it begins with http:// or https://.")
        if parts.username or parts.password:  # it is shown, and written beside the model
            raise UsageError("A password does not belong into a hub's address; name an address that needs none.")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            headers={"User-Agent": "maodou", **headers},
            follow_redirects=True,
        )

    def close(self) -> None:
        self.client.close()

    def full_name(self, model: str) -> str:
        """``internlm3-8b-instruct`` → ``internlm/internlm3-8b-instruct``. Raises ``UsageError``."""
        owner, _, name = model.rpartition("/")
        if not owner:
            known = NAMED.get(model)
            if known is None:
                raise UsageError(
                    f"{model} is no folder here and none of the models known by name ({', '.join(NAMED)}); "
                    "name another as OWNER/NAME."
                )
            owner = known[self.kind]
        if any(part in ("", ".", "..") for part in (owner, name)) or "/" in owner or "\\" in model or " " in model:
            raise UsageError(f"{model!r} is no name of a model: it is written OWNER/NAME.")
        return f"{owner}/{name}"

    def look(self, model: str) -> RemoteModel:
        """What there is to fetch. Raises ``UsageError`` for a name that cannot be one, ``HubError``."""
        name = self.full_name(model)
        try:
            found = self._huggingface(name) if self.kind == "huggingface" else self._modelscope(name)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise HubError(f"{self.address} answers otherwise than a hub does: look at the address.") from None
        if not any(file.path.endswith(".safetensors") for file in found.files):
            raise HubError(f"{name} at {self.address} has no weights as safetensors.")
        return found

    def url_of(self, model: RemoteModel, file: RemoteFile) -> str:
        path = quote(file.path)
        if self.kind == "huggingface":
            return f"{self.address}/{model.name}/resolve/{model.revision}/{path}"
        return (
            f"{self.address}/api/v1/models/{model.name}/repo?Revision={model.revision}&FilePath={quote(file.path, '')}"
        )

    def _huggingface(self, name: str) -> RemoteModel:
        told = self._json(name, f"/api/models/{name}/revision/main?blobs=true")
        tags = [tag.removeprefix("license:") for tag in told.get("tags") or () if str(tag).startswith("license:")]
        files = [
            RemoteFile(
                each["rfilename"],
                int((each.get("lfs") or {}).get("size") or each["size"]),  # without it nothing could be checked
                (each.get("lfs") or {}).get("sha256") or "",
                "" if each.get("lfs") else each.get("blobId") or "",
            )
            for each in told.get("siblings") or ()
        ]
        return RemoteModel(name, str(told.get("sha") or "main"), ", ".join(tags) or "not told", wanted(files))

    def _modelscope(self, name: str) -> RemoteModel:
        about = self._json(name, f"/api/v1/models/{name}").get("Data") or {}
        told = self._json(name, f"/api/v1/models/{name}/repo/files?Revision=master&Recursive=true").get("Data") or {}
        files = [
            RemoteFile(each["Path"], int(each["Size"]), str(each.get("Sha256") or ""))
            for each in told.get("Files") or ()
            if each.get("Type") != "tree"
        ]
        return RemoteModel(name, "master", str(about.get("License") or "not told"), wanted(files))

    def _json(self, name: str, path: str) -> dict[str, Any]:
        with self.asking(name):
            response = self.client.get(f"{self.address}{path}")
            response.raise_for_status()
            told = response.json()
        if not isinstance(told, dict):
            raise HubError(f"{self.address} answers otherwise than a hub does.")
        return told

    @contextmanager
    def asking(self, name: str) -> Iterator[None]:
        """What can go wrong with a request, as sentences."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status == 404 or (status in (401, 403) and self.kind == "huggingface" and not self._has_token):
                said = f"{self.address} has no model {name} that may be read without a key: look at its name"
                raise HubError(f"{said}, or set HF_TOKEN where it is gated.") from None
            if status in (401, 403):
                raise HubError(f"{self.address} does not let this key read {name}: accept its licence there.") from None
            raise HubError(f"{self.address} answers {status} for {name}: try again later, or another --hub.") from None
        except httpx.HTTPError as error:
            why = f"{type(error).__name__} {error}".strip()
            raise HubError(
                f"{self.address} cannot be reached ({why}): look at the network, or name another --hub or a --mirror."
            ) from None
        except ValueError:
            raise HubError(f"{self.address} answers otherwise than a hub does: look at the address.") from None

    @property
    def _has_token(self) -> bool:
        return "authorization" in self.client.headers


def wanted(files: list[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Without pictures, other formats, and paths that would leave the folder."""
    kept = []
    for file in sorted(files, key=lambda each: (each.bytes, each.path)):
        parts = file.path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\\" in file.path or ":" in file.path:
            raise HubError(f"The hub names a file {file.path!r}, which is no path inside a model.")
        licence = parts[-1].upper().startswith("LICENSE")
        if (file.path.endswith(_WANTED) or licence) and not file.path.startswith(_UNWANTED):
            kept.append(file)
    return tuple(kept)
