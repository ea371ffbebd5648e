"""The server as strangers, members and the operator meet it, without a browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from adapters.web.adapter import WebPlatform
from adapters.web.identity import MEMBER_COOKIE, OPERATOR_COOKIE, Signatures
from adapters.web.posting import Posting
from adapters.web.settings import WebSettings
from bot.event import Role
from bot.ports import SystemClock
from bot.store import Store
from tests.adapters.web.rooms import Inbox, Served, delivery, join, say, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stranger_is_sent_to_join_and_sees_nothing_of_the_room(served: Served) -> None:
    async with served.client() as stranger:
        for path in ("/", "/room", "/room/"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/join")
        for path in ("/room/config", "/room/gradio_api/info", "/room/gradio_api/startup-events"):
            assert (await stranger.get(path)).status_code == 401, path
        assert (await stranger.post("/room/gradio_api/upload", files={"files": b"x"})).status_code == 401
        assert (await stranger.post("/api/react", json={"message": 1, "emoji": "👍"})).status_code == 401
        assert (await stranger.get("/api/older/99")).status_code == 401


async def test_a_member_comes_in_with_a_name(served: Served) -> None:
    async with served.joined("Anna") as anna:
        assert (await anna.get("/")).headers["location"] == "/room/"
        assert (await anna.get("/room/")).status_code == 200
        cookie = next(cookie for cookie in anna.cookies.jar if cookie.name == MEMBER_COOKIE)
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "lax"


@pytest.mark.parametrize("name", ["Anna", " anna ", "An\u200bna", "Аnnа", "Ａｎｎａ"])
async def test_a_taken_name_is_refused_however_it_is_written(served: Served, name: str) -> None:
    async with served.joined("Anna"), served.client() as other:
        answer = await other.post("/join", data={"name": name}, headers={"Accept-Language": "zh-CN"})
        assert answer.status_code == 400
        assert "已经有人用了" in answer.text
        assert MEMBER_COOKIE not in other.cookies


@pytest.mark.parametrize(
    "name", ["毛豆", "maodou", "Мaodоu", "ｍａｏｄｏｕ", "毛 豆", "毛豆助手", "\u202e", "a@b", "x" * 25]
)
async def test_names_that_may_not_be_carried_are_refused(served: Served, name: str) -> None:
    async with served.client() as stranger:
        assert (await stranger.post("/join", data={"name": name})).status_code == 400


async def test_a_member_can_take_another_name_and_stays_the_same(served: Served) -> None:
    async with served.joined("Anna") as anna:
        before = {member.id for member in await served.platform.members.all()}
        assert (await anna.post("/join", data={"name": "Anne"})).status_code == 303
        assert {member.id for member in await served.platform.members.all()} == before
        async with served.client() as other:
            assert (await other.post("/join", data={"name": "Anna"})).status_code == 303


async def test_a_forged_cookie_is_worth_nothing(served: Served) -> None:
    anna = await join(served.platform, "Anna")
    good = served.platform.signatures.sign_member(anna.id)
    forged = (
        Signatures("another secret that is long enough").sign_member(anna.id),
        anna.id,
        good[:-2] + ("aa" if good[-2:] != "aa" else "bb"),
        served.platform.signatures.sign_operator(),
    )
    async with httpx.AsyncClient(base_url=served.url) as client:
        for value in forged:
            answer = await client.get("/api/older/9", headers={"Cookie": f"{MEMBER_COOKIE}={value}"})
            assert answer.status_code == 401
        answer = await client.get("/api/older/9", headers={"Cookie": f"{MEMBER_COOKIE}={good}"})
        assert answer.status_code == 200


async def test_a_members_cookie_does_not_open_the_console(served: Served) -> None:
    async with served.joined("Anna") as anna:
        anna.cookies.set(OPERATOR_COOKIE, anna.cookies[MEMBER_COOKIE])
        for path in ("/console", "/console/", "/console/zh", "/console/en/"):
            assert (await anna.get(path)).status_code == 403, path
        for path in ("/console/zh/config", "/console/en/gradio_api/info"):
            assert (await anna.get(path)).status_code == 401, path
        call = {"data": [None], "fn_index": 0, "session_hash": "x"}
        assert (await anna.post("/console/zh/gradio_api/queue/join", json=call)).status_code == 401


async def test_the_operators_link_opens_once(served: Served) -> None:
    link = served.platform.operator_link()
    async with served.joined("Anna") as anna, served.client() as second:
        assert (await anna.get(link)).headers["location"] == "/console/"
        assert (await anna.get("/console/", follow_redirects=True)).status_code == 200
        assert (await second.get(link)).status_code == 403
        assert (await second.get("/console/")).status_code == 403
        [member] = await served.platform.members.all()
        assert member.role is Role.OWNER


async def test_a_link_of_another_installation_opens_nothing(served: Served) -> None:
    foreign = Signatures("another secret that is long enough").sign_link()
    async with served.client() as client:
        assert (await client.get(f"/operator?token={foreign}")).status_code == 403
        assert OPERATOR_COOKIE not in client.cookies


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["origin", "null", "fetch metadata"],
)
async def test_posts_from_other_sites_are_refused(served: Served, headers: dict[str, str]) -> None:
    async with served.joined("Anna") as anna:
        for path in ("/join", "/api/react", "/room/gradio_api/queue/join", "/room/gradio_api/upload"):
            answer = await anna.post(path, headers=headers, json={"name": "Eve"})
            assert answer.status_code == 403, path
        own = await anna.post("/api/react", headers={"Origin": served.url}, json={"message": 1, "emoji": "👍"})
        assert own.status_code == 400  # there is no such message; the call itself was let in


async def test_other_sites_may_read_nothing_and_frame_nothing(served: Served) -> None:
    async with served.joined("Anna") as anna:
        for path in ("/join", "/room/", "/room/config", "/healthz", "/static/room.js"):
            answer = await anna.get(path, headers={"Origin": "https://evil.example"})
            assert answer.status_code == 200, path
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert (await anna.options("/room/gradio_api/queue/join", headers=preflight)).status_code == 403


async def test_a_foreign_name_for_this_machine_is_refused(served: Served) -> None:
    """DNS rebinding: a page of evil.example whose name was pointed at 127.0.0.1."""
    async with served.client() as client:
        assert (await client.get("/join", headers={"Host": "evil.example"})).status_code == 403


async def test_files_are_for_members_and_never_run(served: Served, tmp_path: Path) -> None:
    page, picture = tmp_path / "x.html", tmp_path / "x.png"
    page.write_text("<script>alert(1)</script>")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    anna = await join(served.platform, "Anna")
    posting = Posting(served.platform.room, served.inbox.accept)
    await say(posting, anna, "", uploads=(("x.html", page), ("x.png", picture)))
    urls = [file["url"] for file in next(iter(served.platform.room.transcript.shown.values()))["files"]]
    async with served.client() as stranger, served.joined("Ben") as ben:
        assert (await stranger.get(urls[0])).status_code == 401
        html, png = [await ben.get(url) for url in urls]
        assert html.headers["content-type"] == "application/octet-stream"
        assert html.headers["content-disposition"].startswith("attachment")
        assert png.headers["content-type"] == "image/png"
        for answer in (html, png):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
        for ref in ("../secret", "..%2Fsecret", "%2e%2e/secret", "0" * 32):
            assert (await ben.get(f"/files/{ref}/x")).status_code in (404, 307), ref


async def test_why_is_for_moderators(served: Served) -> None:
    message = await served.platform.send(delivery(served.room, "an answer"))
    async with served.joined("Anna") as anna:
        assert (await anna.get(f"/api/why/{message}")).status_code == 403
        [member] = await served.platform.members.all()
        await served.platform.members.set_role(member.id, Role.MODERATOR, who="operator:x", scope="room:web:lobby")
        answer = await anna.get(f"/api/why/{message}", headers={"Accept-Language": "zh"})
        assert answer.json()["html"] == f"<p><strong>from_documents</strong> {message}</p>\n"


@pytest.mark.parametrize("number", ["99999999999999999999", str(2**63), "0", "-1", "x"])
async def test_what_can_be_no_message_is_refused(served: Served, number: str) -> None:
    async with served.joined("Anna") as anna:
        for call in ("source", "older", "why"):
            assert (await anna.get(f"/api/{call}/{number}")).status_code == 422, call


async def test_health_is_green_and_red(served: Served) -> None:
    parts: dict[str, str | None] = {"lanes": None}
    served.platform.desks.health = lambda: parts
    async with served.client() as client:
        green = await client.get("/healthz")
        assert (green.status_code, green.json()["status"]) == (200, "green")
        parts["lanes"] = "the lane of web:lobby has not moved for 90 s"
        red = await client.get("/healthz")
        assert (red.status_code, red.json()["status"]) == (503, "red")
        assert "90 s" in red.json()["parts"]["lanes"]


@pytest.fixture
def locked(sqlite: Store, tmp_path: Path) -> WebPlatform:
    settings = WebSettings(port=0, password=SecretStr("open sesame"), wrong_passwords_per_minute=2)
    return WebPlatform(sqlite, settings, SystemClock(), tmp_path)


async def test_the_password_is_asked_and_not_guessed(locked: WebPlatform) -> None:
    async with serving(locked, Inbox()) as served, served.client() as client:
        assert 'type="password"' in (await client.get("/join")).text
        right = {"name": "Anna", "password": "open sesame"}
        assert (await client.post("/join", data={"name": "Anna"})).status_code == 400
        assert (await client.post("/join", data=right)).status_code == 303
        async with served.client() as other:
            await other.post("/join", data={"name": "Ben", "password": "x"})
            answer = await other.post("/join", data={**right, "name": "Ben"}, headers={"Accept-Language": "en"})
            assert answer.status_code == 400
            assert "try again in a minute" in answer.text


async def test_the_language_is_the_browsers_and_can_be_chosen(served: Served) -> None:
    async with served.client() as client:
        assert "Enter</button>" in (await client.get("/join", headers={"Accept-Language": "en-US,zh;q=0.5"})).text
        await client.get("/language?to=zh&back=https://evil.example")
        chosen = await client.get("/join", headers={"Accept-Language": "en"})
        assert "进入</button>" in chosen.text
        assert (await client.get("/language?to=en&back=https://evil.example")).headers["location"] == "/"
