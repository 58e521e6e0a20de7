#!/usr/bin/env python3
"""Writes the op times of a .tide trace into other containers and compares their sizes (docs/decisions/0004).

    trace_containers.py run.tide
"""
import json
import os
import sqlite3
import struct
import sys
import tempfile
import time


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def read_tide(path):
    """The program's op names, and per run (step, micro-batch, [(op, start, end)])."""
    data = open(path, "rb").read()
    at, texts, names, runs, times_bytes = 16, [], [], [], 0

    def name(place):
        text, place = read_varint(payload, place)
        if not text & 1:
            return texts[text >> 1], place
        number, place = read_varint(payload, place)
        return f"{texts[text >> 1]} #{number}", place

    while at + 12 <= len(data):
        kind, size, _ = struct.unpack_from("<III", data, at)
        payload = data[at + 12 : at + 12 + size]
        at += 12 + size
        if kind == 4:
            texts += json.loads(payload)
        if kind == 5:
            place = 0
            while place < len(payload):
                op, place = name(place)
                names.append(op)
                for skip in name, name, lambda p: read_varint(payload, p):
                    _, place = skip(place)
        if kind == 2:
            step, end, micro, first, count, _ = struct.unpack_from("<qqiiii", payload)
            times_bytes += 12 + size
            place, ops = 32, []
            for op in range(first, first + count):
                gap, place = read_varint(payload, place)
                length, place = read_varint(payload, place)
                ops.append((op, end + gap, end + gap + length))
                end += gap + length
            runs.append((step, micro, ops))
    return names, runs, times_bytes


def as_sqlite(path, runs):
    """A transaction per run, as a live trace would commit; returns the seconds of the slowest half."""
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=off")
    db.execute("create table op (step integer, micro integer, op integer, start integer, end integer)")
    seconds = []
    for step, micro, ops in runs:
        rows = [(step, micro, op, start, end) for op, start, end in ops]
        begin = time.perf_counter()
        db.executemany("insert into op values (?, ?, ?, ?, ?)", rows)
        db.commit()
        seconds.append((time.perf_counter() - begin) / len(rows))
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    return sorted(seconds)[len(seconds) // 2]


def as_perfetto(runs):
    """Two TracePackets per op: begin (timestamp, sequence, track event with an interned name) and end."""
    out = bytearray()

    def packet(timestamp, event):
        body = b"\x08" + varint(timestamp) + b"\x50\x01" + b"\x5a" + varint(len(event)) + event
        out.extend(b"\x0a" + varint(len(body)) + body)

    for _, _, ops in runs:
        for op, start, end in ops:
            packet(start, b"\x48\x01\x58\x01\x50" + varint(op + 1))
            packet(end, b"\x48\x02\x58\x01")
    return len(out)


def as_json(names, runs):
    """A Chrome trace event per line."""
    return sum(
        len(json.dumps({"name": names[op], "ph": "X", "ts": start / 1e3, "dur": (end - start) / 1e3, "pid": 1, "tid": 1},
                       separators=(",", ":"))) + 1
        for _, _, ops in runs
        for op, start, end in ops
    )


def main():
    names, runs, tide = read_tide(sys.argv[1])
    count = sum(len(ops) for _, _, ops in runs)
    print(f"{count} op times in {len(runs)} runs, bytes per op:")
    print(f"  tide      {tide / count:6.1f}")
    print(f"  perfetto  {as_perfetto(runs) / count:6.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.db")
        seconds = as_sqlite(path, runs)
        print(f"  sqlite    {os.path.getsize(path) / count:6.1f}   {seconds * 1e6:.2f} us per op to write")
    print(f"  json      {as_json(names, runs) / count:6.1f}")


if __name__ == "__main__":
    main()
