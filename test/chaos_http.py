#!/usr/bin/env python3
"""chaos_http.py LOG: the other side of 065_chaos.pl. Listens on two free ports of 127.0.0.1, prints them in one
line, and lives as long as its standard input. Each request adds a line to LOG before it is answered: its
Idempotency-Key, its path, and the status of the answer.

The first part of a path says what is answered: ok; refused (a status of 200, and nothing good in it); flaky (500 to
the first request with its key); limited (429 with Retry-After, to the first request with its key, once a second at
most); bad (400); slow (200, after a minute); callback (and the URL in the body is called later, until it has answered)."""
import asyncio
import json
import random
import sys
import time
import urllib.parse

PAUSES = [0, 0.01, 0.1, 0.5]  # seconds before an answer
log = open(sys.argv[1], "ab", buffering=0)
known = set()  # keys that were there before
limited_at = 0.0
tasks = set()


def is_new(key):
    if key in known:
        return False
    known.add(key)
    return True


def judge(what, key):
    """The status for a request, and whether it is asked to wait."""
    global limited_at
    if what == "flaky" and is_new(key):
        return 500, False
    if what == "limited" and is_new(key) and time.monotonic() > limited_at + 1:
        limited_at = time.monotonic()
        return 429, True
    return (400 if what == "bad" else 200), False


async def call_back(url):
    """Until the one is there who says that the token is used."""
    parts = urllib.parse.urlsplit(url)
    request = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntrue"
    status = b""
    while status not in (b"200", b"404"):
        await asyncio.sleep(0.2)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(request.encode())
            status = (await asyncio.wait_for(reader.readline(), 30))[9:12]
            writer.close()
        except (OSError, asyncio.TimeoutError):
            status = b""


def begin(coroutine):
    task = asyncio.ensure_future(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.received, self.task = transport, b"", None

    def connection_lost(self, _):
        if self.task:
            self.task.cancel()

    def data_received(self, data):
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(item.lower().split(": ", 1) for item in lines if ": " in item)
        length = int(headers.get("content-length", 0))
        if len(rest) >= length:
            self.received = rest[length:]
            self.serve(line.split(" ")[1], headers.get("idempotency-key", ""), rest[:length])

    def serve(self, path, key, body):
        what = path.split("/")[1]
        status, wait = judge(what, key)
        log.write(f"{key}\t{path}\t{status}\n".encode())
        if what == "callback":
            begin(call_back(json.loads(body)["url"]))
        self.task = begin(self.answer(60 if what == "slow" else random.choice(PAUSES), status, wait, what != "refused"))

    async def answer(self, pause, status, wait, good):
        await asyncio.sleep(pause)
        content = json.dumps({"good": good})
        more = "Retry-After: 1\r\n" if wait else ""
        self.transport.write(f"HTTP/1.1 {status} x\r\n{more}Content-Length: {len(content)}\r\n\r\n{content}".encode())


async def main():
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
