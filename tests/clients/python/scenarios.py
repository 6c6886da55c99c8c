"""What tests/clients/python.test.ts runs: `python scenarios.py NAME URL [ARGUMENT]`. It exits with 0 if the scenario holds.

It prints `reset` or `halfOpen` for a fault of all connections through the proxy of the test.
"""

import asyncio
import itertools
import json
import logging
import sys

import websocket_channels
from websocket_channels import Ack, ClientError, Connection, Gap, Message, connect
from websockets.asyncio.server import serve as serve_websockets

SHORT_BACKOFF = (0.02, 0.1)


class Reconnects(logging.Handler):
    """Counts the connections that ended, and prints errors, which fail the test. A warning is an attempt that failed."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.count, self._event = 0, asyncio.Event()
        websocket_channels.log.addHandler(self)
        websocket_channels.log.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            self.count += 1
            self._event.set()
        elif record.levelno > logging.WARNING:
            print(record.getMessage(), file=sys.stderr)

    async def cause(self, fault: str) -> None:
        self._event.clear()
        print(fault, flush=True)
        await self._event.wait()


def open_connection(url: str, **options) -> Connection:
    return connect(url, **{"backoff": SHORT_BACKOFF, "close_timeout": 1} | options)


async def take(channel, count: int) -> list:
    return [await anext(channel) for _ in range(count)]


async def fails(code: str, awaitable) -> None:
    try:
        await awaitable
    except ClientError as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"no error; expected {code}")


async def two_clients(url: str) -> None:
    async with open_connection(url) as one, open_connection(url) as two:
        channels = [one.channel("room.7"), two.channel("room.7")]
        assert await epoch_of(channels[0]) == await epoch_of(channels[1])
        values = [(client, index) for index in range(50) for client in (0, 1)]
        await asyncio.gather(*(channels[client].publish([client, index]) for client, index in values))
        first, second = [await take(channel, 100) for channel in channels]
        assert first == second
        assert [message.offset for message in first] == list(range(1, 101))
        for client in (0, 1):
            assert [m.value[1] for m in first if m.value[0] == client] == list(range(50))
        ack = await one.publish("/", None)
        assert ack == Ack(ack.epoch, 1)
        assert await anext(two.channel("/", last=1)) == Message(None, ack.epoch, 1)


async def epoch_of(channel) -> str:
    while channel.position is None:
        await asyncio.sleep(0.01)
    return channel.position[0]


async def last(url: str) -> None:
    async with open_connection(url) as connection:
        for value in range(5):
            await connection.publish("room.7", value)
        channel = connection.channel("room.7", last=3)
        assert [message.value for message in await take(channel, 3)] == [2, 3, 4]
        ack = await connection.publish("room.7", {"text": "né 🎉"})
        assert await anext(channel) == Message({"text": "né 🎉"}, ack.epoch, ack.offset)
        try:
            connection.channel("room.7")
            raise AssertionError("the channel was opened twice")
        except ValueError:
            await channel.leave()
        assert [item async for item in channel] == []
        await connection.publish("room.7", "while away")
        again = connection.channel("room.7", after=(ack.epoch, ack.offset))
        assert (await anext(again)).value == "while away"


async def resume(url: str) -> None:
    reconnects = Reconnects()
    async with open_connection(url) as connection:
        channel = connection.channel("room.7")
        await epoch_of(channel)
        await channel.publish("before")
        await reconnects.cause("reset")
        acks = [await channel.publish(value) for value in ("one", "two")]
        items = await take(channel, 3)
        assert [item.value for item in items] == ["before", "one", "two"]
        assert [item.offset for item in items] == [1, 2, 3] == [1, *(ack.offset for ack in acks)]
    assert [item async for item in channel] == []
    await fails("closed", channel.publish("late"))


async def unknown_epoch(url: str) -> None:
    async with open_connection(url) as connection:
        epoch = (await connection.publish("room.7", "one")).epoch
        channel = connection.channel("room.7", after=("another-epoch", 41))
        assert await take(channel, 2) == [Gap("another-epoch", 42, None), Message("one", epoch, 1)]
        await channel.leave()
        ahead = connection.channel("room.7", after=(epoch, 7))
        assert await anext(ahead) == Gap(epoch, 2, None)
        await connection.publish("room.7", "two")
        assert await anext(ahead) == Message("two", epoch, 2)


async def dropped(url: str) -> None:
    """The server retains 10 messages, and drops them in blocks."""
    async with open_connection(url) as connection:
        for value in range(1, 100):
            ack = await connection.publish("room.7", value)
        channel = connection.channel("room.7", after=(ack.epoch, 1))
        gap = await anext(channel)
        assert isinstance(gap, Gap) and gap.first == 2 and gap.last is not None and gap.last < 90, gap
        items = await take(channel, 99 - gap.last)
        assert [item.offset for item in items] == list(range(gap.last + 1, 100))


async def rejected(url: str, token: str) -> None:
    """The token grants room.*, as alice."""
    async with open_connection(url, token=token) as connection:
        assert connection.user == "alice"
        channel = connection.channel("room.7")
        await fails("unsafe_number", channel.publish(2**60))
        await fails("forbidden", connection.publish("hall", 1))
        # A channel that has failed can be requested again, and another one only after `leave`.
        for _ in range(2):
            await fails("forbidden", anext(connection.channel("hall")))
        try:
            connection.channel("room.7")
            raise AssertionError("room.7 was subscribed twice")
        except ValueError:
            pass
        await fails("invalid_channel", anext(connection.channel("two words")))
        await fails("invalid_channel", connection.publish("..", 1))
        deep: list = []
        for _ in range(100):
            deep = [deep]
        await fails("too_deep", channel.publish(deep))
        await fails("too_large", channel.publish([1e20] * 3100))
        await fails("queue_full", channel.publish("x" * (1 << 20)))
        for value in (float("nan"), "\ud800"):
            try:
                await channel.publish(value)
                raise AssertionError(f"{value!r} was published")
            except ValueError:
                pass
        # The server closes with 1009. The client rejects only this publish, and reconnects.
        results = await asyncio.gather(channel.publish("small"), fails("too_large", channel.publish("x" * 70_000)))
        message = await anext(channel)
        assert message == Message("small", results[0].epoch, results[0].offset, "alice"), message


async def refused(url: str, good: str, bad: str) -> None:
    for address, token in ((url, None), (url, bad), (f"{url}/room.7", good), (url.replace("wss", "other"), good)):
        try:
            async with open_connection(address, token=token):
                raise AssertionError(f"{address} is open")
        except ClientError as error:
            assert error.code == "refused", error
    # An application that has a better token at the second attempt.
    Reconnects()
    tokens = iter([bad, good])
    async with open_connection(url, token=lambda: next(tokens)):
        pass


async def token_renewal(url: str, *tokens: str) -> None:
    """The first token expires in 4 seconds."""
    reconnects, asked = Reconnects(), []

    async def next_token() -> str:
        asked.append(tokens[len(asked)])
        return asked[-1]

    async with open_connection(url, token=next_token) as connection, open_connection(url, token=tokens[-1]) as other:
        channel = connection.channel("room.7")
        await epoch_of(channel)
        end = asyncio.get_running_loop().time() + 6
        count = 0
        while asyncio.get_running_loop().time() < end:
            await asyncio.gather(other.publish("room.7", count), channel.publish(count))
            count += 1
        items = await take(channel, 2 * count)
        assert [item.offset for item in items] == list(range(1, 2 * count + 1))
        assert len(asked) == 2 and connection.user == "alice"
    assert reconnects.count == 0


async def interrupted_gap(_: str) -> None:
    """The connection ends between the `subscribed` and the gap that follows it."""
    requests: list[dict] = []

    async def serve(socket) -> None:
        await socket.send('{"connection":"ok","heartbeat":30,"a new key":1}')
        requests.append(json.loads(await socket.recv()))
        await socket.send('{"subscribed":"room.7","epoch":"E","offset":90}')
        if len(requests) == 2:
            await socket.send('{"a type of a later version":[]}')
            await socket.send('{"gap":{"channel":"room.7","epoch":"E","from":3,"to":90}}')
            for offset in (91, 91, 92):
                await socket.send(f'{{"channel":"room.7","offset":{offset},"message":{offset}}}')
            await socket.wait_closed()

    async with serve_websockets(serve, "127.0.0.1", 0, subprotocols=["channels.v1"]) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_connection(f"ws://127.0.0.1:{port}/wss") as connection:
            channel = connection.channel("room.7", after=("E", 2))
            assert await take(channel, 3) == [Gap("E", 3, 90), Message(91, "E", 91), Message(92, "E", 92)]
    assert requests == [{"subscribe": "room.7", "epoch": "E", "offset": 2}] * 2


async def silence(url: str) -> None:
    """The interval of the heartbeats is one second."""
    reconnects = Reconnects()
    async with open_connection(url) as connection:
        channel = connection.channel("room.7")
        await epoch_of(channel)
        await reconnects.cause("halfOpen")
        await channel.publish("after")
        assert (await anext(channel)).value == "after"


async def retry_after(url: str) -> None:
    Reconnects()
    async with open_connection(url) as connection:
        await connection.publish("room.7", 1)


async def slow_reader(url: str) -> None:
    websocket_channels.MAX_BUFFERED_BYTES = 20_000
    websocket_channels.PUBLISHES_PER_SECOND = websocket_channels.PUBLISH_BURST = 1e6
    async with open_connection(url) as connection:
        channel, other = connection.channel("room.7"), connection.channel("room.8")
        await asyncio.gather(epoch_of(channel), epoch_of(other))
        await asyncio.gather(*(channel.publish([value, "x" * 100]) for value in range(500)))
        await other.publish("not delayed")
        assert (await anext(other)).value == "not delayed"
        assert channel.position[1] < 200, channel.position
        assert [item.value[0] for item in await take(channel, 500)] == list(range(500))


async def cuts(url: str) -> None:
    reconnects = Reconnects()
    names = ["room.7", "room.8", "/"]
    async with open_connection(url) as connection:
        channels = [connection.channel(name) for name in names]
        for channel in channels:
            await epoch_of(channel)
        acks: dict = {}
        running = True

        async def publish_all(name: str, publisher: int) -> None:
            for number in itertools.count():
                if not running:
                    return
                acks[name, publisher, number] = await connection.publish(name, [publisher, number])

        publishers = [asyncio.create_task(publish_all(name, number)) for name in names for number in (0, 1)]
        for _ in range(20):
            await reconnects.cause("reset")
            stored = len(acks)
            while len(acks) < stored + 12:
                await asyncio.sleep(0.001)
        running = False
        await asyncio.gather(*publishers)
        for name, channel in zip(names, channels, strict=True):
            expected = {ack.offset: list(key[1:]) for key, ack in acks.items() if key[0] == name}
            items = await take(channel, len(expected))
            assert [item.offset for item in items] == list(range(1, len(expected) + 1))
            assert {item.offset: item.value for item in items} == expected
        print(f"published {len(acks)} over {reconnects.count} cuts", flush=True)


if __name__ == "__main__":
    scenario, *arguments = sys.argv[1:]
    asyncio.run(asyncio.wait_for(globals()[scenario](*arguments), 30))
