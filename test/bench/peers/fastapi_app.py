"""The usual receiver in Python: FastAPI, psycopg2, and Celery with Redis.

Each request is verified, its event is stored once, and its task is queued before the answer.
"""
import hashlib
import hmac
import json
import os

from celery import Celery
from fastapi import FastAPI, Request, Response
from psycopg2.pool import ThreadedConnectionPool
from starlette.concurrency import run_in_threadpool

tasks = Celery("peer", broker=f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0")
pool = ThreadedConnectionPool(1, 50, os.environ["DATABASE_URL"])
app = FastAPI()


@tasks.task(name="peer", ignore_result=True)
def work(key):
    """Is not run in the benchmark."""


def accept(key, headers, body):
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO peer_event (key, headers, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (key, headers, body),
            )
            fresh = cursor.rowcount > 0
        if fresh:
            work.delay(key)
    finally:
        pool.putconn(connection)


@app.get("/readyz")
async def ready():
    return "ready"


@app.post("/webhooks/bench")
async def receive(request: Request):
    body = await request.body()
    digest = hmac.new(b"bench", body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(digest, request.headers.get("x-signature", "")):
        return Response(status_code=403)
    await run_in_threadpool(accept, json.loads(body)["data"]["id"], json.dumps(dict(request.headers)), body)
    return {"status": "accepted"}
