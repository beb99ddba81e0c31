#!/usr/bin/env python3
"""tour_http.py CERTIFICATE KEY LOG: for what the README shows, a proxy behind which there are a model, as OpenAI's
speaks, WhatsApp and Slack. It prints its port, ends with its standard input, and logs what it is asked as
lines of JSON.

The model's first answer to a question is in words; where the prompt says why that was refused, it is JSON."""
import http.server
import json
import os
import ssl
import sys
import threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
log = open(sys.argv[3], "a", buffering=1)


def answer_as_model(asked):
    told = "refused" in asked["messages"][0]["content"]
    content = json.dumps({"reply": "We are sorry. A new one is underway."}) if told else "Of course: we are sorry!"
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": asked["model"] + "-2025-08-07",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 120 + 20 * told, "completion_tokens": 30, "total_tokens": 150 + 20 * told}}


def answer_as_whatsapp(asked):
    return {"messaging_product": "whatsapp", "contacts": [{"wa_id": asked["to"]}], "messages": [{"id": "wamid.reply"}]}


def answer_as_slack(asked):
    return "ok" if asked.keys() == {"text"} else "invalid_payload"


ANSWERS = {"https://hooks.slack.com/services/T0/B0/keep-me-secret": answer_as_slack,
           "https://api.openai.com/v1/chat/completions": answer_as_model,
           "https://graph.facebook.com/v23.0/5550100/messages": answer_as_whatsapp}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        self.host = self.path.removesuffix(":443")
        self.send_response(200)
        self.end_headers()
        self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_POST(self):
        url = "https://" + self.host + self.path
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        log.write(json.dumps({"url": url, "headers": {n.lower(): v for n, v in self.headers.items()}, "body": asked}) + "\n")
        answer = ANSWERS[url](asked)
        answer = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
os._exit(0)
