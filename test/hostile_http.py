#!/usr/bin/env python3
"""hostile_http.py [CERTIFICATE KEY [WAY]]: a server for tests of the courier, which answers as its path says.

Listens on a free port of 127.0.0.1, and with a certificate on a second one with TLS, where, with a WAY, it
speaks HTTP/2: good, goaway, reset, half or nonsense. Prints the ports in one line, and lives as long as its
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


async def serve_path(path, body, writer):
    """Answers a request. Returns whether the connection stays."""
    what, _, value = path.partition("?")[0].strip("/").partition("/")
    number = float(value) if value.replace(".", "", 1).isdigit() else 0
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


async def serve_http2(reader, writer):
    """HTTP/2 by hand: reads what comes, and says goodbye, resets the stream, or sends nonsense."""
    await reader.readexactly(24)
    writer.write(frame(4, 0, 0))
    while True:
        head = await reader.readexactly(9)
        kind, stream = head[3], int.from_bytes(head[5:9], "big")
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == 1:
            way = serve_http2.way
            if way == "goaway":
                writer.write(frame(7, 0, 0, bytes(4) + (11).to_bytes(4, "big")))
                await writer.drain()
                return
            if way == "reset":
                writer.write(frame(3, 0, stream, (2).to_bytes(4, "big")))
            if way == "half":
                writer.write(frame(1, 4, stream, b"\x88") + frame(0, 0, stream, b"half"))
                writer.write(frame(7, 0, 0, stream.to_bytes(4, "big") + (11).to_bytes(4, "big")))
                await writer.drain()
                return
            if way == "nonsense":
                writer.write(b"\xff" * 100)
            if way == "good":
                writer.write(frame(1, 4, stream, b"\x88") + frame(0, 1, stream, b"good"))
            await writer.drain()
        if kind == 4 and not head[4] & 1:
            writer.write(frame(4, 1, 0))


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
