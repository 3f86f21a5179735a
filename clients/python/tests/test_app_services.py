"""App services: one program asks, a task answers, over a connection that ends with either."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import APP, PATIENCE, Home, eventually

from bgtask import _wire
from bgtask._wire import Channel, Received
from bgtask.app_service import (
    MAX_UNANSWERED_REQUESTS,
    MAX_UNSENT_ANSWERS,
    AppServiceConnection,
    AppServiceFailure,
    AppServiceRequest,
    _over,
)
from bgtask.enums import AppServiceClosedStatus, AppServiceConnectionStatus, AppServiceResponseStatus

SERVICE = "org.example.python.shout"


@pytest.fixture
def app(home: Home) -> Iterator[Home]:
    """An app that provides a service to everybody."""
    service = f'[[app_service]]\nname = "{SERVICE}"\nentry_point = "Tasks.Shouts"\nallow = ["*"]\n'
    home.install(home.manifest() + service)
    home.start()
    yield home


async def asked(connection: AppServiceConnection, message: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.wait_for(connection.send_message(message), PATIENCE)


async def status_of(connection: AppServiceConnection, message: dict[str, Any]) -> object:
    with pytest.raises(AppServiceFailure) as caught:
        await asked(connection, message)
    return caught.value.status


async def test_a_task_answers_who_asks_as_long_as_he_is_there(app: Home) -> None:
    """HO-6, NEI-1, NEI-2"""
    async with await AppServiceConnection.open(APP, SERVICE) as connection:
        answers = await asyncio.gather(*(asked(connection, {"say": f"hello {number}"}) for number in range(5)))
        assert [answer["text"] for answer in answers] == [f"HELLO {number}" for number in range(5)]
        assert answers[0]["service"] == SERVICE

        asking = asyncio.ensure_future(asked(connection, {"ask back": "why?"}))
        request = await asyncio.wait_for(connection.next_request(), PATIENCE)
        assert request is not None and request.message == {"back": "why?"}
        request.send_response({"because": True})
        assert await asking == {"because": True}
    assert await connection.closed() is AppServiceClosedStatus.Completed
    assert await connection.next_request() is None
    assert await status_of(connection, {"say": "late"}) is AppServiceResponseStatus.Unknown

    async def told() -> object | None:
        return app.settings.get("shouts")

    assert await eventually("the task hears that its caller is gone", told) == "nobody asks any more"


async def test_what_is_not_answered_is_told(app: Home) -> None:
    """NEI-2"""
    Status = AppServiceResponseStatus
    async with await AppServiceConnection.open(APP, SERVICE) as connection:
        assert await status_of(connection, {"large": bytes(70_000)}) is Status.MessageSizeTooLarge
        assert await status_of(connection, {"no value": object()}) is Status.Failure
        assert await status_of(connection, {"large": True}) is Status.MessageSizeTooLarge
        assert await status_of(connection, {"nobody": "knows it"}) is Status.Failure
        keeping = [asyncio.ensure_future(asked(connection, {"keep": True})) for _ in range(MAX_UNANSWERED_REQUESTS)]
        await asyncio.sleep(0)
        assert await status_of(connection, {"keep": True}) is Status.ResourceLimitsExceeded
        connection.close()
        for failure in await asyncio.gather(*keeping, return_exceptions=True):
            assert isinstance(failure, AppServiceFailure) and failure.status is Status.Unknown

    async with await AppServiceConnection.open(APP, SERVICE) as connection:
        assert await status_of(connection, {"end": True}) in (Status.Failure, Status.Unknown)
        assert await asyncio.wait_for(connection.closed(), PATIENCE) is AppServiceClosedStatus.Completed
    async with await AppServiceConnection.open(APP, SERVICE) as connection:
        assert await status_of(connection, {"fail": True}) in (Status.Failure, Status.Unknown)
        assert await asyncio.wait_for(connection.closed(), PATIENCE) is AppServiceClosedStatus.Unknown
        gc.collect()


async def test_who_cannot_connect_hears_why(app: Home) -> None:
    Status = AppServiceConnectionStatus
    refusals = [
        ("org.example.Nobody", SERVICE, Status.AppNotInstalled),
        (APP, "no.such.service", Status.AppServiceUnavailable),
    ]
    for provider, service, status in refusals:
        with pytest.raises(AppServiceFailure) as caught:
            await AppServiceConnection.open(provider, service)
        assert caught.value.status is status and str(caught.value).startswith(status.name)


def both_ends() -> tuple[Channel, AppServiceConnection]:
    """A connection, and at its other end somebody who does as he likes."""
    here, there = socket.socketpair()
    return Channel.over(here), AppServiceConnection(_over(there.detach()))


async def test_who_asks_and_does_not_read_is_not_heard_any_more() -> None:
    """What waits to be sent to him is bounded, and nothing of it is lost when he reads."""
    asks, connection = both_ends()
    most, asked = 0, 400

    async def serve() -> None:
        nonlocal most
        async for request in connection:
            request.send_response({"large": bytes(10_000)})
            most = max(most, connection._channel._stream.unsent)

    serving = asyncio.ensure_future(serve())
    for _number in range(asked):
        asks.send(_wire.service_request({"large": ("ay", bytes(30_000))}))

    async def held_up() -> bool | None:
        hears_nothing = most > 0 and connection._channel._stream._reading is None
        return True if hears_nothing or asks._stream.unsent == 0 else None

    await eventually("nothing is heard any more", held_up)
    assert MAX_UNSENT_ANSWERS < most <= MAX_UNSENT_ANSWERS + MAX_UNANSWERED_REQUESTS + 1
    assert asks._stream.unsent > 0
    for _number in range(asked):
        answer = await asyncio.wait_for(asks.receive(), PATIENCE)
        assert answer is not None and answer.kind in ("method_return", "error")
    asks.close()
    await asyncio.wait_for(serving, PATIENCE)


async def test_a_message_that_no_app_service_sends_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    asks, connection = both_ends()
    asks.send(_wire.service_request({"large": ("ay", bytes(_wire.MAX_SERVICE_MESSAGE_BYTES))}))
    assert await asyncio.wait_for(connection.closed(), PATIENCE) is AppServiceClosedStatus.Unknown
    assert "131072 are the most" in caplog.text
    asks.close()


async def refusal_of(asks: Channel) -> object:
    """Why the next message has no answer."""
    refusal = await asyncio.wait_for(asks.receive(), PATIENCE)
    assert refusal is not None and refusal.error_name == "org.bgtask.Error.Failed"
    return refusal.body[0]


async def test_a_text_that_cannot_be_sent_is_told_to_both_ends() -> None:
    """NEI-2: D-Bus has no NUL in its texts, and no half of a surrogate pair."""
    asks, connection = both_ends()
    for wrong in ({"text": "\0" * 60_000}, {"\0": 1}, {"in": {"list": ["\udc80"]}}, {"\udc80": 1}):
        assert await status_of(connection, wrong) is AppServiceResponseStatus.Failure
        asks.send(_wire.service_request({}))
        request = await asyncio.wait_for(connection.next_request(), PATIENCE)
        assert request is not None
        with pytest.raises(AppServiceFailure) as caught:
            request.send_response(wrong)
        assert caught.value.status is AppServiceResponseStatus.Failure
        why = await refusal_of(asks)
        assert "NUL" in str(why) or "surrogate" in str(why)
        assert len(str(why).encode()) <= _wire.MAX_FAILURE_BYTES
    connection.close()
    asks.close()


async def test_a_task_that_was_told_to_stop_has_no_more_messages() -> None:
    """NEI-2, CAN-1: neither those that wait, nor those that come. One that closed its connection still has what waits."""
    asks, connection = both_ends()
    for _number in range(3):
        asks.send(_wire.service_request({}))
    assert await asyncio.wait_for(connection.next_request(), PATIENCE) is not None
    connection._stop()
    assert await connection.next_request() is None
    asks.send(_wire.service_request({}))
    whys = [await refusal_of(asks) for _number in range(4)]
    assert sum("told to stop" in str(why) for why in whys) == 3, "the first was taken"
    assert await connection.next_request() is None and connection._unanswered == 0
    connection.close()
    asks.close()

    asks, connection = both_ends()
    asks.send(_wire.service_request({}))
    asks.send(_wire.service_closed(AppServiceClosedStatus.Completed))
    assert await asyncio.wait_for(connection.closed(), PATIENCE) is AppServiceClosedStatus.Completed
    assert await connection.next_request() is not None
    assert await connection.next_request() is None
    asks.close()


async def test_a_message_that_another_thread_gives_up_is_refused_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEI-2: collecting what is of no use any more happens on any thread."""
    asks, connection = both_ends()
    asks.send(_wire.service_request({"say": ("s", "x")}))
    refuse, threads = connection._refuse, []

    def refused(call: Received, name: str, text: str) -> None:
        threads.append(threading.current_thread())
        refuse(call, name, text)

    monkeypatch.setattr(connection, "_refuse", refused)
    having = [await asyncio.wait_for(connection.next_request(), PATIENCE)]
    await asyncio.to_thread(having.clear)
    answer = await asyncio.wait_for(asks.receive(), PATIENCE)
    assert answer is not None and answer.error_name == "org.bgtask.Error.Failed"
    assert threads == [threading.current_thread()] and connection._unanswered == 0
    connection.close()
    asks.close()


def test_a_message_that_outlives_its_loop_is_given_up_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked_once() -> AppServiceRequest | None:
        asks, connection = both_ends()
        asks.send(_wire.service_request({"say": ("s", "x")}))
        request = await asyncio.wait_for(connection.next_request(), PATIENCE)
        asks.close()
        return request

    having = [asyncio.run(asked_once())]
    assert having != [None]
    failures: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failures.append)
    having.clear()
    gc.collect()
    assert [one for one in failures if "AppServiceRequest" in str(one)] == []


async def test_a_broker_that_dies_ends_the_connection(app: Home) -> None:
    """D7"""
    connection = await AppServiceConnection.open(APP, SERVICE)
    assert (await asked(connection, {"say": "x"}))["text"] == "X"
    app.kill()
    assert await asyncio.wait_for(connection.closed(), PATIENCE) in (
        AppServiceClosedStatus.Canceled,
        AppServiceClosedStatus.Unknown,
    )
