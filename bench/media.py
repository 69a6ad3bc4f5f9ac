"""Pictures over HTTP: the first GET of a variant, further GETs compared with a web server that serves files, and reads during many
uploads. `bench/run` calls it."""

import getpass
import http.client
import json
import shutil
import statistics
import subprocess
import threading
import time
import urllib.parse

CROWD = 100

NGINX = """
daemon off;
user {user};
error_log stderr error;
pid {folder}/nginx.pid;
worker_processes {workers};
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    types {{ image/webp webp; image/jpeg jpg; }}
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        location /media/ {{ add_header Cache-Control "public, max-age=31536000, immutable"; }}
    }}
}}
"""


def first_variants(plaza, upload, token, tries=12):
    """The medians in ms of an upload by one client and of the first GET of its 256² JPEG, and the last picture's JSON."""
    path, content_type, method, _ = upload
    body = path.read_bytes()
    host = urllib.parse.urlsplit(plaza.url)
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=60)

    def timed(verb, where, *request):
        begun = time.perf_counter()
        connection.request(verb, where, *request)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{verb} {where} answered {answer.status}: {content[:300]!r}")
        return (time.perf_counter() - begun) * 1000, content

    uploads, variants = [], []
    for _ in range(tries):
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {token}"}
        taken, answer = timed(method, "/api/v1/profiles/me/avatar", body, headers)
        uploads.append(taken)
        picture = json.loads(answer)["avatar"]
        url = next(v["url"] for v in picture["variants"] if (v["name"], v["content_type"]) == ("256", "image/jpeg"))
        variants.append(timed("GET", urllib.parse.urlsplit(url).path)[0])
    return statistics.median(uploads), statistics.median(variants), picture


def served_again(bench, picture, folder, port, workers):
    """A variant served by Plaza and, if installed, by nginx from the same folder: requests per second and latencies."""
    url = next(v["url"] for v in picture["variants"] if (v["name"], v["content_type"]) == ("256", "image/webp"))
    path = urllib.parse.urlsplit(url).path
    bench.wrk(path, seconds=1)
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return bench.wrk(path), None
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port, workers=workers, user=getpass.getuser()))
    peer = subprocess.Popen([program, "-p", str(folder), "-c", str(settings)], stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        time.sleep(0.5)
        ours, theirs = [], []
        for _ in range(3):
            ours.append(bench.wrk(path))
            theirs.append(bench.wrk(path, base=f"http://127.0.0.1:{port}"))
        middle = lambda runs: sorted(runs, key=lambda run: run["rate"])[1]  # noqa: E731
        return middle(ours), middle(theirs)
    finally:
        peer.terminate()
        peer.wait(30)


def beside_uploads(bench, path, upload):
    """One GET by many clients, alone and during many uploads: the median of three rounds, and the figures of the uploads."""
    turns = []
    for _ in range(3):
        quiet, crowd = bench.wrk(path), {}
        load = threading.Thread(
            target=lambda: crowd.update(
                bench.wrk(
                    "/api/v1/profiles/me/avatar", *upload, connections=CROWD, seconds=bench.seconds + 6, refusable=True, warm=False
                )
            )
        )
        load.start()
        # Wait until every client has sent its upload.
        time.sleep(2)
        beside = bench.wrk(path)
        load.join()
        bench.plaza.finish_pictures()
        turns.append((quiet, beside, crowd))
    return sorted(turns, key=lambda turn: turn[1]["p99"] / turn[0]["p99"])[1]
