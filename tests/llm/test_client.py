"""The model client against a server that does, in turn, everything a server can do wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from llm.call import Call
from llm.client import ModelClient
from llm.errors import AllFailed, CallFailed, Failure
from llm.reading import delta_of
from tests.llm.conftest import HELLO, MakeClient, text_of
from tests.llm.scripted_server import (
    Reply,
    answers,
    breaks_off,
    chunk,
    completion,
    drips,
    events,
    hangs_up,
    says,
    scripted,
    stalls,
    streams,
)

PROXY_SAYS = json.dumps({"error_code": 10402, "text": "Failed to get response after a period of time"})
"""What LMDeploy's proxy answers for a dead node, with status 200."""


async def test_an_answer_comes_in_pieces(client_of: MakeClient) -> None:
    async with scripted(says("Use ", "pip", ".")) as server:
        pieces = [piece async for piece in client_of(server.url).complete(HELLO, max_tokens=50, timeout_s=5)]
    assert pieces == ["Use ", "pip", "."]
    body = server.asked[0].body
    assert (body["model"], body["stream"], body["max_tokens"], body["temperature"]) == ("m1", True, 50, 0.0)
    assert body["stream_options"] == {"include_usage": True}


async def test_pieces_are_handed_on_before_the_answer_ends(client_of: MakeClient) -> None:
    async with (
        scripted(drips("word ", 0.01)) as server,
        aclosing(client_of(server.url).complete(HELLO, max_tokens=50, timeout_s=5)) as pieces,
    ):
        assert [await anext(pieces) for _ in range(3)] == ["word "] * 3


FAULTS: dict[str, tuple[Reply, Failure]] = {
    "hangs up": (hangs_up(), Failure.UNREACHABLE),
    "slow first token": (streams(completion("late"), first_after_s=3), Failure.SLOW),
    "never a word": (stalls(events(chunk("", role="assistant"), done=False)), Failure.SLOW),
    "busy": (answers(429, '{"error": {"message": "slow down"}}', retry_after="60"), Failure.BUSY),
    "overloaded": (answers(503, retry_after="60"), Failure.BUSY),
    "broken": (answers(500, "oops", "text/plain"), Failure.BROKEN),
    "wrong key": (answers(401), Failure.REFUSED),
    "unknown model": (answers(404), Failure.REFUSED),
    "too long a prompt": (answers(400, '{"error": {"code": "context_length_exceeded"}}'), Failure.BAD_REQUEST),
    "a redirect": (answers(307, location="http://127.0.0.1:9/"), Failure.MALFORMED),
    "200 without choices": (answers(200, PROXY_SAYS), Failure.NO_CHOICES),
    "200 without choices, called a stream": (streams(PROXY_SAYS.encode()), Failure.NO_CHOICES),
    "200 without choices, as an event": (streams(events(json.loads(PROXY_SAYS))), Failure.NO_CHOICES),
    "only a count": (
        streams(events({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}})),
        Failure.NO_CHOICES,
    ),
    "an error within the stream": (streams(events({"error": {"message": "CUDA out of memory"}})), Failure.BROKEN),
    "malformed events": (streams(b"data: {not json\n\n"), Failure.MALFORMED),
    "not events at all": (streams(b"\x00\xff\xfe garbage\n" * 40), Failure.MALFORMED),
    "choices of another kind": (streams(events({"choices": "none"}, {"choices": [7]}, [1, 2])), Failure.NO_CHOICES),
    "nothing said": (says(""), Failure.EMPTY),
    "only thoughts": (says("<think>hm, ", "well</think>"), Failure.EMPTY),
    "a web page": (answers(200, "<html>login</html>", "text/html"), Failure.MALFORMED),
    "compressed": (answers(200, "x", content_encoding="gzip"), Failure.UNREACHABLE),
    "an endless header of nothing": (streams(b": ping\n\n" * 20_000), Failure.UNREACHABLE),
}


@pytest.mark.parametrize(("reply", "failure"), FAULTS.values(), ids=FAULTS)
async def test_whatever_fails_before_the_first_word_goes_on_to_the_next_endpoint(
    client_of: MakeClient, reply: Reply, failure: Failure
) -> None:
    async with scripted(reply) as broken, scripted(says("from the second")) as second:
        patience_s = 0.3 if failure is Failure.SLOW else 5
        client = client_of(broken.url, second.url, first_token_s=patience_s, max_response_bytes=100_000)
        assert await text_of(client) == "from the second"
        first, _ = client.tallies()
    assert dict(first.failures) == {failure: 1}


@pytest.mark.parametrize("fault", ["broken", "200 without choices", "slow first token"])
async def test_alone_it_raises_and_says_why(client_of: MakeClient, fault: str) -> None:
    reply, failure = FAULTS[fault]
    async with scripted(reply) as server:
        with pytest.raises(AllFailed, match=failure.value) as caught:
            await text_of(client_of(server.url, first_token_s=0.3))
    assert [each.failure for each in caught.value.failures] == [failure]


async def collect(pieces: AsyncIterator[str], came: list[str]) -> None:
    async for piece in pieces:
        came.append(piece)


CUTS: dict[str, tuple[Reply, Failure]] = {
    "the connection breaks": (breaks_off(events(chunk("Use pip"), done=False)), Failure.CUT),
    "the stream just ends": (breaks_off(events(chunk("Use pip"), done=False), cleanly=True), Failure.CUT),
    "nothing more comes": (stalls(events(chunk("Use pip"), done=False)), Failure.SLOW),
    "it ends at its limit": (says("Use pip", finish="length"), Failure.LENGTH),
    "a filter ends it": (says("Use pip", finish="content_filter"), Failure.FILTERED),
    "an error comes after it": (streams(events(chunk("Use pip"), {"error": {"message": "died"}})), Failure.BROKEN),
    "garbage comes after it": (streams(events(chunk("Use pip"), "{", done=False)), Failure.MALFORMED),
}


@pytest.mark.parametrize(("reply", "failure"), CUTS.values(), ids=CUTS)
async def test_what_breaks_off_amid_the_answer_is_a_failure_and_no_second_answer_is_begun(
    client_of: MakeClient, reply: Reply, failure: Failure
) -> None:
    came: list[str] = []
    async with scripted(reply) as server, scripted(says("another answer")) as second:
        client = client_of(server.url, second.url)
        with pytest.raises(CallFailed) as caught:
            await collect(client.complete(HELLO, max_tokens=50, timeout_s=0.5), came)
    assert (came, caught.value.failure, caught.value.began) == (["Use pip"], failure, True)
    assert second.asked == []


async def test_a_huge_answer_is_cut_off(client_of: MakeClient) -> None:
    async with scripted(drips("x" * 1_000, 0)) as server:
        client = client_of(server.url, max_answer_chars=5_000)
        with pytest.raises(CallFailed) as caught:
            await text_of(client)
    assert caught.value.failure is Failure.LENGTH


async def test_a_huge_line_is_not_gathered_in_memory(client_of: MakeClient) -> None:
    async with scripted(streams(b"data: " + b"x" * 2_000_000)) as server:
        with pytest.raises(AllFailed, match="max_response_bytes"):
            await text_of(client_of(server.url, max_response_bytes=100_000))


async def test_the_deadline_is_over_all_endpoints_together(client_of: MakeClient) -> None:
    slow = streams(completion("late"), first_after_s=9)
    async with scripted(slow) as one, scripted(slow) as two, scripted(slow) as three:
        client = client_of(one.url, two.url, three.url, first_token_s=0.2)
        started = time.monotonic()
        with pytest.raises(CallFailed):
            await text_of(client, timeout_s=0.35)
    assert time.monotonic() - started < 0.7
    assert three.asked == []


async def test_an_answer_that_never_ends_meets_the_deadline(client_of: MakeClient) -> None:
    async with scripted(drips("and ", 0.02)) as server:
        with pytest.raises(CallFailed, match="slow"):
            await text_of(client_of(server.url), timeout_s=0.5)


async def test_a_server_that_asks_for_a_moment_gets_it(client_of: MakeClient) -> None:
    async with scripted(answers(429, retry_after="0.2"), says("now")) as server:
        assert await text_of(client_of(server.url)) == "now"
    assert len(server.asked) == 2


async def test_but_not_an_hour(client_of: MakeClient) -> None:
    async with scripted(answers(429, retry_after="3600"), says("now")) as server:
        started = time.monotonic()
        with pytest.raises(AllFailed, match="busy"):
            await text_of(client_of(server.url))
    assert time.monotonic() - started < 1


async def test_one_that_keeps_failing_rests_and_is_tried_again_by_one_call(client_of: MakeClient) -> None:
    async with scripted(answers(500), answers(500), says("well again")) as server:
        client = client_of(server.url, failures_before_rest=2, rest_s=0.2)
        for _ in range(2):
            with pytest.raises(AllFailed, match="broken"):
                await text_of(client)
        with pytest.raises(AllFailed, match="resting"):
            await text_of(client)
        assert len(server.asked) == 2
        assert client.health() is not None
        await asyncio.sleep(0.25)
        assert await text_of(client) == "well again"
        assert client.health() is None


async def test_a_bad_request_says_nothing_about_the_server(client_of: MakeClient) -> None:
    async with scripted(answers(400), answers(400), answers(400), says("fine")) as server:
        client = client_of(server.url, failures_before_rest=1)
        for _ in range(3):
            with pytest.raises(AllFailed, match="bad_request"):
                await text_of(client)
        assert await text_of(client) == "fine"


async def test_connections_are_kept(client_of: MakeClient) -> None:
    async with scripted(says("yes")) as server:
        client = client_of(server.url)
        for _ in range(5):
            await text_of(client)
    assert (len(server.asked), server.connections) == (5, 1)


async def test_who_goes_away_amid_an_answer_leaves_no_connection_behind(client_of: MakeClient) -> None:
    async with scripted(drips("word ", 0.01)) as server:
        client = client_of(server.url, max_calls_at_once=1)
        for _ in range(3):  # with one connection, the second call would wait for ever if the first one stayed
            async with aclosing(client.complete(HELLO, max_tokens=50, timeout_s=2)) as pieces:
                await anext(pieces)
    assert client.tallies()[0].failures == {}


async def test_a_cancelled_call_counts_as_nobodys_failure(client_of: MakeClient) -> None:
    async with scripted(stalls(b": nothing yet\n\n")) as server:
        client = client_of(server.url, failures_before_rest=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await text_of(client)
        assert client.health() is None
        assert client.tallies()[0].failures == {}


async def test_a_server_that_does_not_stream_is_understood(client_of: MakeClient) -> None:
    whole = {
        "choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    async with scripted(answers(200, json.dumps(whole))) as server:
        client = client_of(server.url)
        assert await text_of(client) == "all at once"
    assert client.tallies()[0].answer_tokens == 4


async def test_thinking_aloud_is_no_answer(client_of: MakeClient) -> None:
    thoughts = streams(
        events(
            chunk(reasoning_content="hm"),
            chunk("<thi"),
            chunk("nk>first,"),
            chunk(" then</th"),
            chunk("ink>\n\nUse pip."),
            chunk(finish="stop"),
        )
    )
    async with scripted(thoughts, says("<b>", "old</b>")) as server:
        client = client_of(server.url)
        assert await text_of(client) == "Use pip."
        assert await text_of(client) == "<b>old</b>"


async def test_only_the_named_key_is_sent(client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "for-someone-else")
    async with scripted(says("yes")) as server:
        await text_of(client_of(server.url))
        await text_of(client_of(server.url, environ={"CHAT_KEY": "sesame"}, endpoint={"key_env": "CHAT_KEY"}))
    without, with_key = server.asked
    assert "authorization" not in without.headers
    assert with_key.headers["authorization"] == "Bearer sesame"
    assert not [value for asked in server.asked for value in asked.headers.values() if "someone-else" in value]


async def test_tokens_and_cost_are_the_servers_own_or_unknown(client_of: MakeClient) -> None:
    price = {"price": {"input_per_million": 2.0, "output_per_million": 8.0, "currency": "CNY"}}
    async with scripted(
        says("a", usage={"prompt_tokens": 1000, "completion_tokens": 500}), says("b", usage=None)
    ) as server:
        client = client_of(server.url, endpoint=price)
        await text_of(client)
        await text_of(client)
    (tally,) = client.tallies()
    assert (tally.calls, tally.uncounted, tally.prompt_tokens, tally.answer_tokens) == (2, 1, 1000, 500)
    assert tally.cost == pytest.approx(0.006)
    assert tally.currency == "CNY"


async def test_without_a_price_there_is_no_cost(client_of: MakeClient) -> None:
    async with scripted(says("a")) as server:
        client = client_of(server.url)
        await text_of(client)
    assert client.tallies()[0].cost is None


async def test_settings_of_an_endpoint_reach_the_server(client_of: MakeClient) -> None:
    endpoint = {
        "limit_as": "max_completion_tokens",
        "temperature": None,
        "asks_usage": False,
        "extra_body": {"enable_thinking": False},
    }
    schema = {"type": "json_schema", "json_schema": {"name": "score", "schema": {"type": "object"}}}
    async with scripted(says("{}")) as server:
        await text_of(client_of(server.url, endpoint=endpoint), response_format=schema)
    body = server.asked[0].body
    assert (body["max_completion_tokens"], body["enable_thinking"], body["response_format"]) == (100, False, schema)
    assert not {"max_tokens", "temperature", "stream_options"} & body.keys()


async def test_text_that_no_json_can_hold_is_sent_all_the_same(client_of: MakeClient) -> None:
    async with scripted(says("yes")) as server:
        await text_of(client_of(server.url), [{"role": "user", "content": "half \ud83d a pair"}])
    assert server.asked[0].body["messages"][0]["content"] == "half \ufffd a pair"


async def test_this_test_would_notice_a_client_that_believes_any_200(
    client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: without the check for choices the proxy's error is an empty answer, and the second is never asked."""

    async def believes(self: Call, chunks: AsyncIterator[object]) -> AsyncGenerator[str, None]:
        async for each in chunks:
            yield delta_of(each).text

    monkeypatch.setattr(Call, "_answer", believes)
    async with scripted(answers(200, PROXY_SAYS)) as proxy, scripted(says("from the second")) as second:
        assert await text_of(client_of(proxy.url, second.url)) == ""
        assert second.asked == []


def test_the_client_is_the_port() -> None:
    from bot.ports import ChatModel

    def needs(model: ChatModel) -> None: ...

    needs(ModelClient.__new__(ModelClient))
