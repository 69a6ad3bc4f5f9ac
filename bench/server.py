"""A server of the program, for the benchmarks."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def say(text):
    print(text, flush=True)


def run(*command, env=None):
    done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} exited {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def free_port():
    import socket

    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Plaza:
    """A server of the program. Several may use a folder, one after the other."""

    def __init__(self, program, folder, **settings):
        self.program, self.folder = program, folder
        self.listen, self.ops = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.listen}"
        kept = {k: v for k, v in os.environ.items() if not re.match(r"PLAZA_|AWS_|DATABASE_URL", k)}
        self.env = kept | {
            "PLAZA_LISTEN": self.listen, "PLAZA_OPS_LISTEN": self.ops, "PLAZA_PUBLIC_URL": self.url,
            "PLAZA_DATA_DIR": str(folder / "data"), "PLAZA_STORE": f"file:{folder / 'media'}", "PLAZA_LOG": "warn",
        } | settings  # fmt: skip
        self.process = None

    def start(self):
        """The seconds from the start of the process to the first successful /readyz."""
        begun = time.monotonic()
        with open(self.folder / "plaza.log", "ab") as log:
            self.process = subprocess.Popen([self.program, "serve"], env=self.env, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.ops}/readyz", timeout=5):
                    return time.monotonic() - begun
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - begun > 120:
                log = (self.folder / "plaza.log").read_text(errors="replace")[-2000:]
                self.kill()
                sys.exit(f"plaza does not get ready; its log ends:\n{log}")
            time.sleep(0.005)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if status := self.process.wait(60):
            sys.exit(f"plaza exited {status} after SIGTERM, not 0")
        self.process = None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def call(self, method, path, body=None, token=None):
        request = urllib.request.Request(self.url + path, method=method, data=body and json.dumps(body).encode())
        if body:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path} answered {error.code}: {error.read()[:500]!r}")

    def finish_pictures(self):
        """Wait for uploads whose clients have disconnected, since the server completes them."""
        pattern = r"^(plaza_(?:uploads|pictures_waiting|picture_memory_bytes|worker_(?:queue|running)\{workers=\"pictures\"\})) (\d+)$"
        deadline, quiet_since = time.monotonic() + 120, None
        while quiet_since is None or time.monotonic() - quiet_since < 1:
            with urllib.request.urlopen(f"http://{self.ops}/metrics", timeout=5) as answer:
                gauges = dict(re.findall(pattern, answer.read().decode(), re.M))
            if len(gauges) != 5:
                sys.exit(f"/metrics has no gauges of pictures: {gauges}")
            is_quiet = all(value == "0" for value in gauges.values())
            quiet_since = (quiet_since or time.monotonic()) if is_quiet else None
            if time.monotonic() > deadline:
                sys.exit(f"pictures are never finished: {gauges}")
            time.sleep(0.05)

    def resident(self):
        """The resident memory of the program in MiB, without PostgreSQL's processes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def database(plaza):
    """The URL of the embedded database, its socket, its user and its name, for psql and pgbench."""
    url = run(plaza.program, "dbshell", "--print-url", env=plaza.env).strip()
    host, port, user, name = run("psql", url, "-XqAt", "-c", r"\echo :HOST :PORT :USER :DBNAME").split()
    return url, Path(host) / f".s.PGSQL.{port}", user, name
