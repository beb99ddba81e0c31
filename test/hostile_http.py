#!/usr/bin/env python3
"""hostile_http.py [CERTIFICATE KEY [WAY]]: a server for tests of the courier, which answers as its path says.

Listens on a free port of 127.0.0.1, and with a certificate on a second one with TLS, where, with a WAY, it
speaks HTTP/2: goaway, half, or one of WAYS. Prints the ports in one line, and lives as long as its
standard input. /log answers with the requests so far, as JSON, one per line, and /counts with some numbers.
"""
import asyncio
import gzip
import hashlib
import json
import ssl
import sys
import zlib

log = []
released = asyncio.Event()  # /hold answers when somebody asks for /release
counts = {"connections": 0, "running": 0, "most": 0}


def answer(body, *headers, status="200 OK"):
    if isinstance(body, str):
        body = body.encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


async def read_request(reader):
    """The request line, the headers and the body of the next request; None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return None
    line, *rest = head.rstrip("\r\n").split("\r\n")
    headers = [item.split(": ", 1) if ": " in item else [item.rstrip(":"), ""] for item in rest]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    if " /unread" in line:
        length = 0
    return line, headers, (await reader.readexactly(length)) if length else b""


async def forever(writer, piece, pause=0.0):
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


def bomb():
    """20 MB of zeros, in 20 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(20)) + packer.flush()


# Answers that are sent as they are, and end the connection.
RAW = {
    "reset-head": b"HTTP/1.1 200 OK\r\nX-A: b",
    "line-feeds": b"HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\nok",
    "bare-cr": b"HTTP/1.1 200 OK\r\nX-A: b\rX-Evil: c\r\nContent-Length: 2\r\n\r\nok",
    "nul-value": b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "high-bytes": b"HTTP/1.1 200 OK\r\nX-A: \xff\xfe\x80\r\nContent-Length: 2\r\n\r\nok",
    "second-head": b"HTTP/1.1 200 OK\r\nX-A: b\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nok",
    "two-answers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
    "status-words": b"HTTP/1.1 two hundred\r\nContent-Length: 2\r\n\r\nok",
    "status-long": b"HTTP/1.1 20000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-short": b"HTTP/1.1 20\r\nContent-Length: 2\r\n\r\nok",
    "status-999": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "version": b"HTTP/7.3 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "old": b"HTTP/1.0 200 OK\r\n\r\nok",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nok",
    "length-twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok",
    "length-same": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length-below": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "length-huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    "length-large": b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nok",
    "length-words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "length-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nokok\r\n0\r\n\r\n",
    "chunk-huge": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nok",
    "chunk-half": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nokok\r\n",
    "no-json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"a\":",
    "nul-json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n\"\\u0000ab\"",
    "bad-utf8": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n\"\xff\xfe\"",
    "deep-json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" + b"[" * 1000000,
    "empty-json": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "unread": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


async def serve_path(path, body, writer):
    """Answers a request. Returns whether the connection stays."""
    what, _, value = path.partition("?")[0].strip("/").partition("/")
    number = float(value) if value.replace(".", "", 1).isdigit() else 0
    if what in RAW:
        writer.write(RAW[what])
        await writer.drain()
        return False
    if what == "log":
        writer.write(answer("".join(json.dumps(item) + "\n" for item in log)))
    elif what == "counts":
        writer.write(answer(json.dumps(counts)))
    elif what == "release":
        released.set()
        writer.write(answer("released"))
    elif what == "hold":
        await released.wait()
        writer.write(answer("held"))
    elif what == "slow":
        await asyncio.sleep(number)
        writer.write(answer("slow"))
    elif what == "digest":
        writer.write(answer(json.dumps({"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}), "Content-Type: application/json"))
    elif what == "size":
        writer.write(answer(b"x" * int(number)))
    elif what == "status":
        writer.write(answer("no", "X-Twice: a", "x-twice: b", status=f"{value} Something"))
    elif what == "redirect":
        writer.write(answer("", "Set-Cookie: id=hostile", "Location: /size/7", status="302 Found"))
    elif what == "gzip":
        writer.write(answer(gzip.compress(b"unpacked " * 1000), "Content-Encoding: gzip"))
    elif what == "deflate":
        writer.write(answer(zlib.compress(b"unpacked"), "Content-Encoding: deflate"))
    elif what == "raw-deflate":
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        writer.write(answer(packer.compress(b"unpacked") + packer.flush(), "Content-Encoding: deflate"))
    elif what == "bomb":
        writer.write(answer(bomb(), "Content-Encoding: gzip"))
    elif what == "half-gzip":
        writer.write(answer(gzip.compress(b"unpacked " * 1000)[:-20], "Content-Encoding: gzip"))
    elif what == "bad-gzip":
        writer.write(answer("this is no gzip", "Content-Encoding: gzip"))
    elif what == "brotli":
        writer.write(answer("this may be brotli", "Content-Encoding: br"))
    elif what == "transfer-gzip":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
    elif what == "trickle":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await forever(writer, b"x", 0.1)
    elif what == "trickle-headers":
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        await forever(writer, b"x", 0.1)
    elif what == "chunks":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await forever(writer, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    elif what == "bad-chunk":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")
        await writer.drain()
        return False
    elif what == "headers":
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await forever(writer, b"X-Many: " + b"y" * 1000 + b"\r\n")
    elif what == "some-headers":
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * int(number) + b"Content-Length: 0\r\n\r\n")
    elif what == "long-header":
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 400000 + b"\r\nContent-Length: 0\r\n\r\n")
    elif what == "continue":
        await forever(writer, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    elif what == "early":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n" + answer("late", "X-Late: yes"))
    elif what == "trailers":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Kept: yes\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: no\r\n\r\n")
    elif what == "nul-header":
        writer.write(b"HTTP/1.1 200 OK\r\nX-N\0ame: x\r\nContent-Length: 0\r\n\r\n")
    elif what == "folded-header":
        writer.write(b"HTTP/1.1 200 OK\r\nX-Name: x\r\n y\r\nContent-Length: 0\r\n\r\n")
    elif what == "folded-first":
        writer.write(b"HTTP/1.1 200 OK\r\n X-Name: x\r\nContent-Length: 0\r\n\r\n")
    elif what == "folded-encoding":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding:\r\n br\r\nContent-Length: 0\r\n\r\n")
    elif what == "no-colon":
        writer.write(b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n")
    elif what == "no-http":
        writer.write(b"SSH-2.0-nonsense\r\n")
        await writer.drain()
        return False
    elif what == "reset":
        writer.transport.abort()
    elif what == "unread-hold":
        writer.write(answer("held"))
        await writer.drain()
        writer.transport.pause_reading()
        await asyncio.sleep(60)
    elif what == "idle-early":
        await forever(writer, b"HTTP/1.1 100 Continue\r\n\r\n", 0.2)
    elif what == "reset-body":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()
    elif what == "short":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        return False
    elif what == "close":
        return False
    else:
        writer.write(answer("ok", "Content-Type: text/plain"))
    await writer.drain()
    return True


async def serve_http(reader, writer):
    counts["connections"] += 1
    while (request := await read_request(reader)) is not None:
        line, headers, body = request
        path = line.split(" ")[1] if line.count(" ") >= 2 else "/"
        if path not in ("/log", "/counts", "/release"):
            log.append({"line": line, "headers": headers, "body": body.decode("latin-1")})
            counts["running"] += 1
            counts["most"] = max(counts["most"], counts["running"])
        try:
            stays = await serve_path(path, body, writer)
        finally:
            counts["running"] -= path not in ("/log", "/counts", "/release")
        if not stays:
            break


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


GET_AWAY = frame(7, 0, 0, (0x7fffffff).to_bytes(4, "big") + bytes(4))

# With HTTP/2: what comes for a request on a stream, and what then comes for ever.
WAYS = {
    "good": lambda stream: (frame(1, 4, stream, b"\x88") + frame(0, 1, stream, b"good"), None),
    "reset": lambda stream: (frame(3, 0, stream, (2).to_bytes(4, "big")), None),
    "nonsense": lambda stream: (b"\xff" * 100, None),
    # The whole answer, and then that no more of the request is wanted.
    "hasty": lambda stream: (frame(1, 4, stream, b"\x88\x0f\x0d\x014") + frame(0, 1, stream, b"good"), None),
    "enough": lambda stream: (frame(1, 4, stream, b"\x88\x0f\x0d\x014") + frame(0, 1, stream, b"good") + frame(3, 0, stream, bytes(4)), None),
    # A gentle goodbye, and the answer behind it.
    "leaving": lambda stream: (GET_AWAY + frame(1, 4, stream, b"\x88") + frame(0, 1, stream, b"good"), None),
    "goaways": lambda stream: (b"", GET_AWAY),
    "pings": lambda stream: (b"", frame(6, 0, 0, bytes(8))),
    "settings": lambda stream: (b"", frame(4, 0, 0)),
    "empty": lambda stream: (frame(1, 4, stream, b"\x88"), frame(0, 0, stream)),
    "data": lambda stream: (frame(1, 4, stream, b"\x88"), frame(0, 0, stream, bytes(16000))),
    "continuation": lambda stream: (frame(1, 0, stream, b"\x88"), frame(9, 0, stream, b"\x00\x01a\x01b" * 1000)),
    "early": lambda stream: (b"", frame(1, 4, stream, b"\x08\x03103")),
    "push": lambda stream: (frame(5, 4, stream, (2).to_bytes(4, "big") + b"\x82\x87\x84\x01\x01a"), None),
    "window": lambda stream: (frame(8, 0, stream, (0x7fffffff).to_bytes(4, "big")), None),
    "large": lambda stream: ((1 << 24).to_bytes(4, "big")[1:] + b"\x00" * 6, None),
    "no-status": lambda stream: (frame(1, 5, stream, b"\x00\x01a\x01b"), None),
    "line-feed": lambda stream: (frame(1, 5, stream, b"\x88\x00\x01a\x03b\nc"), None),
    "nul": lambda stream: (frame(1, 5, stream, b"\x88\x00\x01a\x03b\x00c"), None),
    "nothing": lambda stream: (b"", None),
}


async def serve_http2(reader, writer):
    """HTTP/2 by hand: reads what comes, and answers as its way says."""
    await reader.readexactly(24)
    writer.write(frame(4, 0, 0))
    way = serve_http2.way
    while True:
        head = await reader.readexactly(9)
        kind, stream = head[3], int.from_bytes(head[5:9], "big")
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == 4 and not head[4] & 1:
            writer.write(frame(4, 1, 0))
        # The hasty do not wait for the request's end.
        if kind not in (0, 1) or (not head[4] & 1 and way not in ("enough", "hasty")) or (kind == 0 and way in ("enough", "hasty")):
            continue
        if way == "goaway":
            writer.write(frame(7, 0, 0, bytes(4) + (11).to_bytes(4, "big")))
            return
        if way == "half":
            writer.write(frame(1, 4, stream, b"\x88") + frame(0, 0, stream, b"half"))
            writer.write(frame(7, 0, 0, stream.to_bytes(4, "big") + (11).to_bytes(4, "big")))
            return
        once, for_ever = WAYS[way](stream)
        writer.write(once)
        await writer.drain()
        if for_ever:
            await forever(writer, for_ever * 10, 0.001)


async def serve(reader, writer):
    try:
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            await serve_http2(reader, writer)
        else:
            await serve_http(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def main(arguments):
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)]
    serve_http2.way = arguments[2] if len(arguments) > 2 else ""
    if arguments:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments[:2])
        if serve_http2.way:
            context.set_alpn_protocols(["h2"])
        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=2048))
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1:]))
