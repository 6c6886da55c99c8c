"""A client of the subprotocol ``channels.v1`` of pulumi-websocket-server, which PROTOCOL.md specifies, for asyncio.

It has any number of channels on one WebSocket. It reconnects, resumes each channel at its position, and repeats each
publish until the server acknowledges it::

    async with connect("wss://example.com/wss", token=get_token) as connection:
        channel = connection.channel("room.7", last=50)
        await channel.publish({"text": "Hello"})
        async for item in channel:
            print(item)  # a Message, or a Gap
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

SUBPROTOCOL = Subprotocol("channels.v1")
CONNECT_SECONDS = 10.0  # For the handshake, and again for the greeting; the server answers a handshake within 8 seconds.
ANSWER_SECONDS = 15.0  # For the answer to a request; the server answers within 6 seconds.
CLOSE_SECONDS = 5.0  # For which close() waits for acknowledgements, and for the end of the WebSocket.
MAX_RETRY_AFTER_SECONDS = 300
MAX_PENDING_PUBLISHES = 1000
MAX_PENDING_BYTES = 1 << 20
MAX_BUFFERED_BYTES = 4 << 20  # Of one channel; each item counts ITEM_BYTES in addition to its JSON.
ITEM_BYTES = 256
MAX_MESSAGE_BYTES = 16 << 20  # From the server.
# Rates below the default limits of the server, each with its burst.
PUBLISHES_PER_SECOND, PUBLISH_BURST = 90.0, 100.0
PUBLISH_BYTES = 10 << 10  # A larger publish counts as several.
PERMANENT_STATUS = {400, 401, 403, 404, 405, 426, 431}
LATER_CODES = {1002, 1003, 1007, 1008, 1009, 1010, 1011, 1013}
RETRIABLE_ERRORS = {"unavailable", "rate_limited"}

Token = str | Callable[[], str | Awaitable[str]] | None
log = logging.getLogger("websocket_channels")


class ClientError(Exception):
    """An error code of PROTOCOL.md, or ``queue_full``, ``closed`` or ``refused`` (the server will never accept the client)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Message:
    """A message. ``sender`` is the subject of the publisher's token, if there is one."""

    value: Any
    epoch: str
    offset: int
    sender: str | None = None


@dataclass(frozen=True)
class Gap:
    """The messages ``first`` to ``last``, both included, are lost. If ``last`` is None, their number is unknown."""

    epoch: str
    first: int
    last: int | None


@dataclass(frozen=True)
class Ack:
    """The position of a stored message. ``duplicate``: an earlier repetition of this publish had been stored."""

    epoch: str
    offset: int
    duplicate: bool = False


class _Rate:
    """Allows ``burst`` units at once, and ``per_second`` units per second."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._window, self._next = per_second, burst / per_second, 0.0

    def take(self, units: float) -> float:
        """Takes the units and returns 0, or returns the seconds until they are available."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._window)
        if self._next > now:
            return self._next - now
        self._next += units / self._per_second
        return 0.0


@dataclass(eq=False)
class _Publish:
    """A publish without an acknowledgement."""

    text: str
    size: int
    done: asyncio.Future[Ack]
    asked_at: float | None = None  # On the present WebSocket.
    rejections: int = 0


class Channel:
    """A subscription. It has one reader: ``async for item in channel`` yields each `Message` and each `Gap`, in order.

    If the reader is slow, the client unsubscribes, and subscribes again at the same position when the reader has caught up.
    """

    def __init__(self, connection: Connection, name: str, last: int | None, after: tuple[str, int] | None) -> None:
        self.name, self._connection, self._last = name, connection, last
        self.position = after  # Epoch and offset of the last item that was received; the reader may be behind it.
        self._start = ("", 0)  # Of the last `subscribed`.
        self.state = "none"  # Or "subscribing", "subscribed", "unsubscribing": on the present WebSocket.
        self.asked_at: float | None = None
        self.rejections = 0
        self.error: ClientError | None = None
        self.is_left = False
        self._is_paused = False
        self._items: deque[tuple[Message | Gap, int]] = deque()
        self._size = 0
        self._changed = asyncio.Event()

    async def publish(self, value: Any) -> Ack:
        """As `Connection.publish`."""
        return await self._connection.publish(self.name, value)

    async def leave(self) -> None:
        """Unsubscribes, and ends the iterator. Returns when the server has confirmed it, or the WebSocket has ended."""
        self.is_left = True
        self._connection._request(self)
        self._changed.set()
        while self.state != "none":
            self._changed.clear()
            await self._changed.wait()
        if self._connection._channels.get(self.name) is self:
            del self._connection._channels[self.name]

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> Message | Gap:
        while not self._items:
            if self.error is not None:
                raise self.error
            if self.is_left:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item, size = self._items.popleft()
        self._size -= size
        if self._is_paused and self.needs_request():
            self._connection._request(self)
        return item

    def needs_request(self) -> bool:
        if self.state == "none" and self._size <= MAX_BUFFERED_BYTES / 2:
            self._is_paused = False
        return self.state == ("subscribed" if self._is_paused or self.is_left or self.error else "none")

    def request(self) -> dict[str, Any]:
        """Returns the request that is needed. Until its answer, no other one is."""
        if self.state == "subscribed":
            self.state = "unsubscribing"
            return {"unsubscribe": self.name}
        self.state = "subscribing"
        if self.position is not None:
            return {"subscribe": self.name, "epoch": self.position[0], "offset": self.position[1]}
        return {"subscribe": self.name} | ({} if self._last is None else {"last": self._last})

    def settle(self, state: str, error: ClientError | None = None) -> None:
        """Enters a state in which no answer is pending."""
        self.state, self.asked_at = state, None
        self.error = self.error or error
        self._changed.set()

    def receive(self, frame: dict[str, Any], size: int) -> None:
        """Handles a `subscribed`, a gap or a message."""
        if self._is_paused or self.state not in ("subscribing", "subscribed"):
            return  # The next subscribe begins at the position, which these frames do not move.
        if "subscribed" in frame:
            # Unless this is the position of the client, a gap follows. The position is kept until the gap has arrived.
            self._start = (frame["epoch"], frame["offset"])
            self.position, self.rejections = self.position or self._start, 0
            if self.state == "subscribing":
                self.settle("subscribed")
                self._connection._request(self)
        elif "gap" in frame:
            gap = Gap(frame["gap"]["epoch"], frame["gap"]["from"], frame["gap"].get("to"))
            self.position = self._start if gap.last is None else (gap.epoch, gap.last)
            self._append(gap, size)
        else:
            epoch, offset = self.position or self._start
            if frame["offset"] > offset or epoch != self._start[0]:
                self.position = (self._start[0], frame["offset"])
                self._append(Message(frame["message"], *self.position, frame.get("from")), size)

    def _append(self, item: Message | Gap, size: int) -> None:
        self._items.append((item, size + ITEM_BYTES))
        self._size += size + ITEM_BYTES
        self._changed.set()
        if self._size > MAX_BUFFERED_BYTES:
            self._is_paused = True
            self._connection._request(self)


@dataclass(eq=False)
class _Link:
    """One WebSocket after its greeting."""

    socket: ClientConnection
    greeting: dict[str, Any]
    channels: asyncio.Queue[Channel] = field(default_factory=asyncio.Queue)  # Those that may need a request.
    publishes: asyncio.Queue[_Publish] = field(default_factory=asyncio.Queue)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    has_received: bool = False
    close_code: int | None = None  # From the server.

    def request(self, item: Channel | _Publish) -> None:
        if isinstance(item, Channel):
            self.channels.put_nowait(item)
        else:
            self.publishes.put_nowait(item)

    def request_later(self, item: Channel | _Publish, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.request, item)


class Connection:
    """See `connect`."""

    def __init__(self, url: str, token: Token, backoff: tuple[float, float], options: dict[str, Any]) -> None:
        self._url, self._token, self._backoff, self._options = url, token, backoff, options
        self.user: str | None = None
        """Subject of the token."""
        self._is_open: asyncio.Future[None]
        self._runner: asyncio.Task[None]
        self._link: _Link | None = None
        self._channels: dict[str, Channel] = {}
        self._outbox: dict[str, _Publish] = {}  # By id, in the order of the calls.
        self._outbox_bytes = 0
        self._rate = _Rate(PUBLISHES_PER_SECOND, PUBLISH_BURST)
        self._closing: set[asyncio.Task[None]] = set()
        self._error: ClientError | None = None

    async def __aenter__(self) -> Connection:
        self._is_open = asyncio.get_running_loop().create_future()
        self._runner = asyncio.create_task(self._run())
        try:
            await self._is_open
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Waits up to 5 seconds for acknowledgements, then closes the WebSocket. Other publishes fail with ``closed``."""
        if self._outbox and self._error is None:
            await asyncio.wait([publish.done for publish in self._outbox.values()], timeout=CLOSE_SECONDS)
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)
        self._end(ClientError("closed", "The connection is closed."))
        await asyncio.gather(*self._closing, return_exceptions=True)

    def channel(self, name: str, *, last: int | None = None, after: tuple[str, int] | None = None) -> Channel:
        """Subscribes to a channel. Returns at once; if the server rejects it, the iterator raises the `ClientError`.

        It begins with the next message, with up to ``last`` (1 to 1000) retained ones, or ``after`` an epoch and offset.
        Raises ValueError if the connection has this channel, and neither has it failed nor has `Channel.leave` returned.
        """
        if self._error is not None:
            raise self._error
        former = self._channels.get(name)
        if former is not None and (former.error is None or former.state != "none"):
            raise ValueError(f"`{name}`: this connection has the channel already. Fix: `await channel.leave()`")
        channel = self._channels[name] = Channel(self, name, last, after)
        self._request(channel)
        return channel

    async def publish(self, channel: str, value: Any) -> Ack:
        """Publishes a JSON value to a channel, without a subscription. Returns when the server has stored it, once.

        A cancelled publish, or one that failed with ``closed``, may be stored.
        Raises ClientError if the server rejects it; ValueError if the value is not JSON in UTF-8.
        """
        key = uuid.uuid4().hex
        request = {"channel": channel, "publish": value, "id": key}  # The error `too_deep` has an id only if it is last.
        text = json.dumps(request, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
        if self._error is not None:
            raise self._error
        if len(self._outbox) >= MAX_PENDING_PUBLISHES or self._outbox_bytes + size > MAX_PENDING_BYTES:
            raise ClientError("queue_full", "Too many publishes are pending.")
        publish = self._outbox[key] = _Publish(text, size, asyncio.get_running_loop().create_future())
        self._outbox_bytes += size
        self._request(publish)
        try:
            return await publish.done
        finally:
            self._outbox_bytes -= self._outbox.pop(key).size

    def _request(self, item: Channel | _Publish) -> None:
        if self._link is not None:
            self._link.request(item)

    def _request_all(self) -> None:
        """Requests everything on a new WebSocket, or, if there is none, forgets what was requested on the former one."""
        items: list[Channel | _Publish] = [*self._channels.values(), *self._outbox.values()]
        for item in items:
            item.asked_at = None
            if isinstance(item, Channel):
                item.settle("none")
            self._request(item)

    def _drop(self, link: _Link | None) -> None:
        if link is not None:
            for task in link.tasks:
                task.cancel()
            self._close(link.socket)

    def _close(self, socket: ClientConnection) -> None:
        task = asyncio.create_task(socket.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _end(self, error: ClientError) -> None:
        """Ends the channels and publishes. With ``closed``, the iterators end without an error."""
        self._error = self._error or error
        self._drop(self._link)
        self._link = None
        if not self._is_open.done():
            self._is_open.set_exception(error)
        for publish in self._outbox.values():
            if not publish.done.done():
                publish.done.set_exception(error)
        for channel in self._channels.values():
            channel.is_left = True
            channel.settle("none", None if error.code == "closed" else error)

    async def _run(self) -> None:
        """Opens one WebSocket after another, until the server refuses the client permanently."""
        failures, has_new_token = 0, False
        while True:
            level, wait = logging.WARNING, 0.0
            try:
                link = await self._open()
                failures, has_new_token = 0, False
                if await self._supervise(link):
                    continue  # The next connection opens while this one continues.
                level, reason = logging.INFO, f"the connection ended ({link.close_code})"
                if link.close_code in LATER_CODES and not (link.close_code == 1008 and callable(self._token)):
                    failures, wait = 3, self._backoff[0]
            except ClientError as error:
                return self._end(error)
            except InvalidStatus as error:
                status, reason = error.response.status_code, str(error)
                retries = status in (401, 403) and callable(self._token) and not has_new_token
                if status in PERMANENT_STATUS and not retries:
                    body = bytes(error.response.body or b"")[:1024].decode(errors="replace")
                    return self._end(ClientError("refused", f"{reason} {body}".strip()))
                has_new_token = retries
                seconds = error.response.headers.get("Retry-After", "")[:9]
                wait = float(min(int(seconds), MAX_RETRY_AFTER_SECONDS)) if seconds.isdecimal() else 0.0
            except Exception as error:  # Of the network, of `token`, or of a server that does not follow the protocol.
                reason = repr(error)
            failures += 1
            wait += self._jitter(failures)
            log.log(level, "Reconnects in %.1f s: %s", wait, reason)
            await asyncio.sleep(wait)

    def _jitter(self, failures: int) -> float:
        base, cap = self._backoff
        return random.random() * min(cap, base * 2.0 ** min(failures - 1, 30))

    async def _open(self) -> _Link:
        headers = {}
        if self._token is not None:
            token = self._token() if callable(self._token) else self._token
            headers["Authorization"] = f"Bearer {await token if inspect.isawaitable(token) else token}"
        # The server sends the pings, and negotiates no extension.
        defaults: dict[str, Any] = {"ping_interval": None, "compression": None, "max_size": MAX_MESSAGE_BYTES}
        defaults |= {"open_timeout": CONNECT_SECONDS, "close_timeout": CLOSE_SECONDS}
        options = defaults | self._options
        socket = await open_websocket(self._url, subprotocols=[SUBPROTOCOL], additional_headers=headers, **options)
        try:
            if socket.subprotocol != SUBPROTOCOL:
                raise ClientError("refused", f"The server does not select the subprotocol {SUBPROTOCOL}.")
            greeting = json.loads(await asyncio.wait_for(socket.recv(), CONNECT_SECONDS))
            if greeting["connection"] != "ok" or greeting["heartbeat"] <= 0:
                raise ValueError(f"The first message is not a greeting: {greeting}")
        except BaseException:
            self._close(socket)
            raise
        return _Link(socket, greeting)

    async def _supervise(self, link: _Link) -> bool:
        """Uses a WebSocket in place of the former one. Returns False at its end, or True before its token expires."""
        former, self._link = self._link, link
        self._drop(former)
        self.user = link.greeting.get("user")
        self._request_all()
        link.tasks += [asyncio.create_task(run(link)) for run in (self._read, self._subscribe, self._publish)]
        if not self._is_open.done():
            self._is_open.set_result(None)

        now = asyncio.get_running_loop().time
        renews = callable(self._token) and "expiresIn" in link.greeting
        renew_at = now() + max(1.0, link.greeting["expiresIn"] * random.uniform(0.75, 0.9)) if renews else float("inf")
        silent, tick, done = 0, link.greeting["heartbeat"] / 2, set[Any]()
        while (left := renew_at - now()) > 0:
            link.has_received = False
            done, _ = await asyncio.wait(link.tasks, timeout=min(tick, left), return_when=asyncio.FIRST_COMPLETED)
            # A program that blocks the event loop delays one tick, and not the ones after it.
            silent = 0 if link.has_received else silent + 1
            asked = [publish.asked_at for publish in self._outbox.values() if publish.asked_at]
            asked += [channel.asked_at for channel in self._channels.values() if channel.asked_at]
            if done or silent > 4 or now() - min(asked, default=now()) > ANSWER_SECONDS:
                break
        else:
            return True
        for task in done:
            if (error := task.exception()) is not None:
                log.error("A message cannot be handled.", exc_info=error)
        sent = [publish for publish in self._outbox.values() if publish.asked_at and not publish.done.done()]
        if link.close_code == 1009 and sent:
            largest = max(sent, key=lambda publish: publish.size)
            largest.done.set_exception(ClientError("too_large", "The publish exceeds the server's limit of one message."))
        self._link = None
        self._drop(link)
        self._request_all()
        return False

    async def _read(self, link: _Link) -> None:
        try:
            while True:
                text = await link.socket.recv()
                link.has_received = True
                self._receive(json.loads(text), len(text))
        except ConnectionClosed as closed:
            link.close_code = closed.rcvd.code if closed.rcvd is not None and closed.rcvd_then_sent else None

    async def _subscribe(self, link: _Link) -> None:
        while True:
            channel = await link.channels.get()
            if channel.needs_request():
                await self._send(link, channel, json.dumps(channel.request()))

    async def _publish(self, link: _Link) -> None:
        while True:
            publish = await link.publishes.get()
            while seconds := self._rate.take(max(1, publish.size / PUBLISH_BYTES)):
                await asyncio.sleep(seconds)
            if not publish.done.done():
                await self._send(link, publish, publish.text)

    async def _send(self, link: _Link, item: Channel | _Publish, text: str) -> None:
        item.asked_at = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionClosed):  # The reader handles it.
            await link.socket.send(text)

    def _receive(self, frame: dict[str, Any], size: int) -> None:
        if "error" in frame:
            self._reject(frame["error"])
        elif "ack" in frame:
            publish = self._outbox.get(frame["ack"])
            if publish is not None and not publish.done.done():
                publish.done.set_result(Ack(frame["epoch"], frame["offset"], frame.get("duplicate", False)))
        elif "unsubscribed" in frame:
            if channel := self._channels.get(frame["unsubscribed"]):
                channel.settle("none")
                self._request(channel)
        else:
            name = frame["gap"]["channel"] if "gap" in frame else frame.get("subscribed") or frame.get("channel", "")
            if channel := self._channels.get(name):
                channel.receive(frame, size)

    def _reject(self, error: dict[str, Any]) -> None:
        """Repeats the rejected request later, or fails it."""
        failure = ClientError(error["code"], error["message"])
        if "id" in error:
            item: Channel | _Publish | None = self._outbox.get(error["id"])
        else:
            item = self._channels.get(error.get("channel", ""))
        if item is None or self._link is None:
            return log.error("The server rejected an unknown request: %s", failure)
        repeats = failure.code in RETRIABLE_ERRORS
        item.rejections += 1
        if isinstance(item, Channel):
            item.settle("subscribed" if item.state == "unsubscribing" else "none", None if repeats else failure)
        if repeats:
            item.asked_at = None
            self._link.request_later(item, self._jitter(item.rejections))
        elif isinstance(item, _Publish) and not item.done.done():
            item.done.set_exception(failure)


def connect(url: str, *, token: Token = None, backoff: tuple[float, float] = (1.0, 30.0), **options: Any) -> Connection:
    """Returns a connection for ``async with``, which begins after the greeting, or raises the `ClientError` ``refused``.

    It retries other failures without end. Use `asyncio.timeout` to limit the time until the greeting.
    Raises `websockets.exceptions.InvalidURI` if the URL is malformed.

    :param url: Such as ``wss://example.com/wss``, without a channel.
    :param token: A JWT, or a function that returns one, which can be asynchronous. The client calls it for each WebSocket,
        and opens the next WebSocket before the token expires.
    :param backoff: In seconds. The wait before the n-th attempt is random, up to ``min(backoff[1], backoff[0] * 2 ** (n - 1))``.
    :param options: Of `websockets.asyncio.client.connect`, such as ``ssl``.
    """
    parse_uri(url)
    return Connection(url, token, backoff, options)
