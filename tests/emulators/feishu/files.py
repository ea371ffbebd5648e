"""Files and images: uploads become keys, keys come back as bytes with a name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from tests.emulators.feishu.api import INVALID, Api, Refused

TYPES = {"opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"}


class Files:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._world = api.world

    def routes(self) -> list[web.RouteDef]:
        call, base = self._api.call, "/open-apis/im/v1"
        return [
            web.post(base + "/files", call(self._file, "im:resource")),
            web.post(base + "/images", call(self._image, "im:resource")),
            web.get(base + "/messages/{id}/resources/{key}", call(self._resource, "im:message:readonly")),
        ]

    async def _file(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        form = await self._form(request)
        name, content = form["file"]
        if not form.get("file_type") or not name:
            raise Refused(INVALID, "file_type and a file with a name are required")
        type_ = str(form["file_type"])
        if type_ not in TYPES:
            raise Refused(INVALID, f"there is no file_type {type_}")
        key = self._world.number("file")
        if type_ == "opus":
            if not content.startswith(b"OggS"):
                raise Refused(INVALID, "an opus file is Ogg")
            self._world.audio[key] = int(form["duration"]) if str(form.get("duration") or "").isdigit() else None
        self._world.files[key] = (str(form.get("file_name") or name), content)
        return {"file_key": key}

    async def _image(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        form = await self._form(request)
        name, content = form["image"]
        key = self._world.number("img")
        self._world.files[key] = (name, content)
        return {"image_key": key}

    async def _form(self, request: web.Request) -> dict[str, Any]:
        if not request.content_type.startswith("multipart/"):
            raise Refused(INVALID, "multipart/form-data is required")
        form: dict[str, Any] = {}
        async for part in await request.multipart():
            assert part.name is not None  # type: ignore[union-attr]
            content = await part.read()  # type: ignore[union-attr]
            if part.name in ("file", "image"):  # type: ignore[union-attr]
                if not content or len(content) > self._api.limits.file_bytes:
                    raise Refused(INVALID, "the file is empty or too large")
                form[part.name] = (part.filename or "", bytes(content))  # type: ignore[union-attr]
            else:
                form[part.name] = content.decode()  # type: ignore[union-attr]
        if not {"file", "image"} & form.keys():
            raise Refused(INVALID, "no file")
        return form

    async def _resource(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        post = self._api.post_of(request.match_info["id"])
        key = request.match_info["key"]
        if key not in self._world.files or f'"{key}"' not in post.content:
            raise Refused(INVALID, "the file is not in this message")
        if request.query.get("type") not in ("file", "image"):
            raise Refused(INVALID, "type is required")
        name, content = self._world.files[key]
        return web.Response(
            body=content,
            content_type="application/octet-stream",
            headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
        )
