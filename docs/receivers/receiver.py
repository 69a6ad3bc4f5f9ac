import base64, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        number, sent, signatures = (self.headers[f"webhook-{name}"] or "" for name in ("id", "timestamp", "signature"))
        mac = hmac.digest(KEY, f"{number}.{sent}.".encode() + body, "sha256")
        mine = b"v1," + base64.b64encode(mac)
        signed = any(hmac.compare_digest(mine, theirs.encode()) for theirs in signatures.split())
        good = signed and abs(time.time() - int(sent)) < 300
        if good:
            print(number, json.loads(body)["type"], flush=True)
        self.send_response(204 if good else 400)
        self.end_headers()

ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
