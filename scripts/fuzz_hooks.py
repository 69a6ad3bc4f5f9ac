"""Gives schemathesis the token of a member: one for all, and a fresh one to operations that end the session they are called with."""

import json
import os
import time
import urllib.error
import urllib.request

import schemathesis

ENDS_SESSION = {"logout", "logoutAll", "changePassword", "deleteUser", "revokeSession"}
MINUTES = 5  # of the fifteen that a token lives


def send(path: str, **members: str) -> dict:
    request = urllib.request.Request(
        os.environ["FUZZ_API"] + path,
        data=json.dumps(members).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_in() -> str:
    login, password = os.environ["FUZZ_LOGIN"], os.environ["FUZZ_PASSWORD"]
    try:
        return send("/auth/login", login=login, password=password)["access_token"]
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
    # The member was deleted by the fuzzer, who may do that to itself.
    send("/users", username=login, email=f"{login}@example.org", password=password)
    return send("/auth/login", login=login, password=password)["access_token"]


@schemathesis.auth(refresh_interval=None)
class Member:
    token, since = "", float("-inf")

    def get(self, case, context):
        if case.operation.definition.raw.get("operationId") in ENDS_SESSION:
            return log_in()
        if time.monotonic() - Member.since > 60 * MINUTES:
            Member.token, Member.since = log_in(), time.monotonic()
        return Member.token

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
