"""Gives schemathesis a member's token: one for most operations, and a new one of another member for operations that end sessions."""

import json
import os
import time
import urllib.error
import urllib.request

import schemathesis

ENDS_SESSION = {"logout", "logoutAll", "changePassword", "deleteUser", "revokeSession", "revokeUserSessions"}
MINUTES = 5  # of the fifteen for which a token is valid


def send(path: str, **members: str) -> dict:
    request = urllib.request.Request(
        os.environ["FUZZ_API"] + path,
        data=json.dumps(members).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_in(login: str) -> str:
    password = os.environ["FUZZ_PASSWORD"]
    try:
        return send("/auth/login", login=login, password=password)["access_token"]
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
    # The fuzzer has deleted the member, which it may do.
    send("/users", username=login, email=f"{login}@example.org", password=password)
    return send("/auth/login", login=login, password=password)["access_token"]


@schemathesis.auth(refresh_interval=None)
class Member:
    token, since = "", float("-inf")

    def get(self, case, context):
        if case.operation.definition.raw.get("operationId") in ENDS_SESSION:
            return log_in(os.environ["FUZZ_LOGIN"] + "-leaves")
        if time.monotonic() - Member.since > 60 * MINUTES:
            Member.token, Member.since = log_in(os.environ["FUZZ_LOGIN"]), time.monotonic()
        return Member.token

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
