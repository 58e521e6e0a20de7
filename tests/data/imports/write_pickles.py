"""Writes data.pN.pickle, the same data by Python's own pickle at each protocol, pickles.json, what it is, and
snapshot.pN.pickle, what torch.cuda.memory._dump_snapshot writes of a made-up run of an allocator, and
snapshot.newer.pickle, what newer versions write of it."""

import json
import pickle
import sys

FOLDER = sys.argv[1]
PROTOCOLS = (2, 3, 4, 5)


def oracle(value):
    """As JSON: what JSON lacks is an object with one key."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else {"int": str(value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True).hex())}
    if isinstance(value, float):
        return {"float": value.hex() if value == value else "nan"}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, list):
        return [oracle(v) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [oracle(v) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[oracle(k), oracle(v)] for k, v in value.items()]}
    raise TypeError(value)


def data(protocol):
    shared = ["shared", {"a": 1}]
    integers = [s * (2**k + d) for k in (0, 7, 8, 15, 16, 31, 32, 62, 63, 64, 80, 2100) for d in (-1, 0, 1) for s in (1, -1)]
    value = {
        "none": None,
        "booleans": [True, False],
        "integers": integers,
        "reals": [0.0, -0.0, 1.5, 1e300, -5e-324, float("inf")],
        "texts": ["", "a", "\u00e9\u4e2d\U0001f30a", "x" * 300, "line\nbreak\0"],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), [(5,)])],
        "dicts": [{}, {"k": []}, {1: "one", (2, 3): {}}],
        "shared": [shared, shared, (shared, shared)],
        "long list": list(range(2500)),
        "long dict": {str(i): i for i in range(1500)},
        "many": [[i] for i in range(700)],
    }
    if protocol >= 3:
        value["bytes"] = [b"", b"\x00\xff", b"y" * 300]
    if protocol >= 5:
        value["bytes"].append(bytearray(b"array"))
    return value


def frame(file, line, name):
    return {"filename": file, "line": line, "name": name}


def snapshot():
    torch = "/usr/lib/python3/site-packages/torch/"
    init = [frame(torch + "nn/modules/module.py", 900, "convert"), frame("/home/me/train.py", 10, "build"), frame("/home/me/train.py", 50, "main")]
    forward = [frame(torch + "nn/modules/linear.py", 125, "forward"), frame("/home/me/model.py", 30, "forward"), frame("/home/me/train.py", 60, "main")]
    backward = []
    step = [frame(torch + "optim/adamw.py", 100, "step"), frame("/home/me/train.py", 70, "main")]
    zero = [frame(torch + "optim/optimizer.py", 900, "zero_grad"), frame("/home/me/train.py", 71, "main")]
    time = [1_700_000_000_000_000]
    live = {}

    def event(action, address, size, frames):
        time[0] += 10
        return {"action": action, "addr": address, "size": size, "stream": 0, "time_us": time[0], "frames": frames}

    base = 0x7F0000000000
    trace = [event("segment_alloc", base, 2 << 20, init)]

    def alloc(offset, size, frames):
        trace.append(event("alloc", base + offset, size, frames))
        live[offset] = (size, frames)

    def free(offset, frames):
        size, _ = live.pop(offset)
        trace.append(event("free_requested", base + offset, size, frames))
        trace.append(event("free_completed", base + offset, size, frames))

    live[0x100000] = (1000, [])  # from before the history: 1,024 bytes, freed in it
    alloc(0x0000, 4000, init)  # weights: 4,096 bytes
    for _ in range(2):
        alloc(0x1000, 10000, forward)  # an activation: 10,240
        alloc(0x4000, 4000, backward)  # a gradient: 4,096
        free(0x1000, backward)
        if 0x8000 not in live:
            alloc(0x8000, 8000, step)  # moments: 8,192
        alloc(0xB000, 100, step)  # scratch of the step: 512
        free(0xB000, step)
        free(0x4000, zero)
        if 0x100000 in live:
            free(0x100000, zero)
    trace.append({"action": "oom", "size": 1 << 40, "device_free": 5, "stream": 0, "time_us": time[0], "frames": forward})
    rounded = lambda n: -(-n // 512) * 512
    live[0x180000] = (2048, [])  # from before, and still there
    blocks, at = [], 0
    for offset in sorted(live):
        size, frames = live[offset]
        if offset > at:
            blocks.append({"address": base + at, "size": offset - at, "requested_size": 0, "state": "inactive", "frames": []})
        blocks.append({"address": base + offset, "size": rounded(size), "requested_size": size, "state": "active_allocated", "frames": frames})
        at = offset + rounded(size)
    blocks.append({"address": base + at, "size": (2 << 20) - at, "requested_size": 0, "state": "inactive", "frames": []})
    segment = {"device": 1, "address": base, "total_size": 2 << 20, "allocated_size": 0, "stream": 0, "segment_type": "small", "segment_pool_id": (0, 0), "frames": init, "blocks": blocks}
    return {"segments": [segment], "device_traces": [[], trace], "allocator_settings": {"expandable_segments": False}, "external_annotations": []}


def newer():
    """The same history as a PyTorch of 2026 tells it: with the fields, the actions and the lists that came since."""
    told = snapshot()
    frames = told["segments"][0]["frames"]
    for frame_ in frames:
        frame_.update(fx_node_op="call_function", fx_node_name="linear", fx_original_trace="", fx_node_info=None)
    events = told["device_traces"][1]
    for event in events:
        event.update(compile_context="0/0", user_metadata='{"step": 3}', device_free=1 << 40, pool_id=(0, 1))
    events[1]["internal_metadata"] = "mallocWithAddress"
    for action in ("annotate", "snapshot", "workspace_snapshot"):
        events.insert(3, {"action": action, "addr": events[1]["addr"], "size": 999, "stream": 0, "time_us": events[2]["time_us"], "frames": frames,
                          "user_metadata": "{}", "pool_id": (0, 1)})
    pinned = {"action": "alloc", "addr": 0x7E0000000000, "size": 1 << 30, "stream": 0, "time_us": events[2]["time_us"], "frames": frames}
    told["host_traces"] = [[{**pinned, "action": "segment_alloc"}, pinned]]
    told["host_segments"] = [{"address": 0x7E0000000000, "total_size": 1 << 30, "blocks": [], "frames": frames, "numa_node": -1}]
    told["segments"][0].update(segment_pool_id=(0, 1), is_expandable=False, requested_size=0, active_size=0)
    told["allocator_settings"] = {"PYTORCH_ALLOC_CONF": "", "max_split_size": -1, "garbage_collection_threshold": 0.0, "per_process_memory_fraction": None,
                                  "roundup_power2_divisions": {"1": 0, "65536": 0}, "graph_capture_record_stream_reuse": False}
    told["external_annotations"] = [{"name": "step", "stage": "START", "device": 1, "time_us": events[2]["time_us"]}]
    return told


with open(f"{FOLDER}/snapshot.newer.pickle", "wb") as file:
    pickle.dump(newer(), file)
for protocol in PROTOCOLS:
    with open(f"{FOLDER}/data.p{protocol}.pickle", "wb") as file:
        pickle.dump(data(protocol), file, protocol)
    with open(f"{FOLDER}/snapshot.p{protocol}.pickle", "wb") as file:
        pickle.dump(snapshot(), file, protocol)
with open(f"{FOLDER}/pickles.json", "w") as file:
    json.dump(oracle(data(5)), file, separators=(",", ":"))
