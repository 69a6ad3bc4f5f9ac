"""Records what a program sends to PostgreSQL: a relay between two Unix sockets that records every statement with its parameters.

So pgbench runs exactly the statements that the program sends, however its code changes, and the relay needs no rights on the
server.
"""

import socket
import struct
import threading
from datetime import datetime, timedelta
from pathlib import Path

ARRAYS = {1001: 17, 1005: 21, 1007: 23, 1016: 20, 1009: 25, 1015: 1043, 1000: 16, 1185: 1184}
NAMES = {
    16: "boolean", 17: "bytea", 20: "bigint", 21: "smallint", 23: "integer", 25: "text", 700: "real", 701: "double precision",
    1043: "varchar", 1114: "timestamp", 1184: "timestamptz", 1082: "date", 2950: "uuid", 114: "json", 3802: "jsonb", 1186: "interval",
}  # fmt: skip


def type_name(oid):
    """The type's name in SQL, or None if the server infers it."""
    if oid in ARRAYS:
        return NAMES[ARRAYS[oid]] + "[]"
    return NAMES.get(oid)


def decode(oid, raw):
    """A parameter's value in PostgreSQL's text form."""
    if oid in (20, 21, 23):
        return str(int.from_bytes(raw, "big", signed=True))
    if oid == 16:
        return "true" if raw == b"\x01" else "false"
    if oid in (1184, 1114):
        micros = int.from_bytes(raw, "big", signed=True)
        return (datetime(2000, 1, 1) + timedelta(microseconds=micros)).isoformat(" ") + ("+00" if oid == 1184 else "")
    if oid == 700:
        return repr(struct.unpack("!f", raw)[0])
    if oid == 701:
        return repr(struct.unpack("!d", raw)[0])
    if oid == 17:
        return "\\x" + raw.hex()
    if oid == 1186:
        micros, days, months = struct.unpack("!qii", raw)
        return f"{months} months {days} days {micros} microseconds"
    if oid in ARRAYS:
        dimensions, _nulls, element = struct.unpack_from("!iiI", raw)
        if dimensions == 0:
            return "{}"
        if dimensions > 1:
            raise ValueError("an array of more than one dimension")
        (length,), at, parts = struct.unpack_from("!i", raw, 12), 20, []
        for _ in range(length):
            (size,) = struct.unpack_from("!i", raw, at)
            at += 4
            if size < 0:
                parts.append("NULL")
                continue
            text = decode(element, raw[at : at + size]).replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'"{text}"')
            at += size
        return "{" + ",".join(parts) + "}"
    if oid == 3802:
        # A version number precedes the text.
        return raw[1:].decode()
    if oid in (25, 1043, 114, 0, 705):
        return raw.decode()
    raise ValueError(f"a parameter of type {oid}, which listen.py cannot read yet")


class Statement:
    """A statement that was executed."""

    def __init__(self, sql, types, values):
        self.sql, self.types, self.values = sql, types, values

    def key(self):
        return (self.sql, tuple(self.values))


class Relay:
    """Listens in `folder` as PostgreSQL would, and forwards everything to `target`."""

    def __init__(self, target: Path, folder: Path):
        self.target = str(target)
        self.heard = []
        self.lock = threading.Lock()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(folder / ".s.PGSQL.5432"))
        self.server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self):
        """The statements since the last call."""
        with self.lock:
            heard, self.heard = self.heard, []
        return heard

    def _accept(self):
        while True:
            client, _ = self.server.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(client, server, Ear(self)), daemon=True).start()

    @staticmethod
    def _pump(source, sink, ear):
        try:
            while data := source.recv(65536):
                if ear:
                    ear.hear(data)
                sink.sendall(data)
        except OSError:
            pass
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Ear:
    """Parses the client's side of one connection."""

    def __init__(self, relay):
        self.relay, self.buffer, self.started = relay, b"", False
        self.prepared, self.portals = {}, {}

    def hear(self, data):
        self.buffer += data
        while True:
            head = 0 if not self.started else 1
            if len(self.buffer) < head + 4:
                return
            (length,) = struct.unpack_from("!i", self.buffer, head)
            if len(self.buffer) < head + length:
                return
            kind, body = self.buffer[:head], self.buffer[head + 4 : head + length]
            self.buffer = self.buffer[head + length :]
            if not self.started:
                # A request for encryption precedes the startup message and gets a response of one byte.
                self.started = struct.unpack_from("!i", body)[0] >> 16 == 3
            else:
                self.message(kind, body)

    def message(self, kind, body):
        if kind == b"Q":
            self.note(Statement(body.rstrip(b"\0").decode(), [], []))
        elif kind == b"P":
            name, sql, rest = body.split(b"\0", 2)
            (count,) = struct.unpack_from("!h", rest)
            self.prepared[name] = (sql.decode(), list(struct.unpack_from(f"!{count}I", rest, 2)))
        elif kind == b"B":
            portal, name, rest = body.split(b"\0", 2)
            self.portals[portal] = self.bound(name, rest)
        elif kind == b"E":
            portal = body.split(b"\0", 1)[0]
            if portal in self.portals:
                self.note(self.portals[portal])

    def bound(self, name, rest):
        sql, types = self.prepared.get(name, ("?", []))
        (formats,) = struct.unpack_from("!h", rest)
        codes = struct.unpack_from(f"!{formats}h", rest, 2)
        at = 2 + 2 * formats
        (count,) = struct.unpack_from("!h", rest, at)
        at += 2
        values = []
        for index in range(count):
            (size,) = struct.unpack_from("!i", rest, at)
            at += 4
            if size < 0:
                values.append(None)
                continue
            raw, at = rest[at : at + size], at + size
            binary = codes[index if formats > 1 else 0] if formats else 0
            oid = types[index] if index < len(types) else 0
            values.append(decode(oid, raw) if binary else raw.decode())
        return Statement(sql, types, values)

    def note(self, statement):
        with self.relay.lock:
            self.relay.heard.append(statement)
