"""`tidemark profile -- python train.py` without a GPU: a PyTorch that is a few lines, on a driver and a CUPTI that are
(fake_cuda.cpp). python_test.py TIDEMARK FAKE_CUDA"""

import collections
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

TIDEMARK, CUDA = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
MIB = 1 << 20

TORCH = {
    "torch/__init__.py": "from . import cuda",
    "torch/cuda/__init__.py": """
import ctypes
from . import memory

_queued = []

def _lazy_call(function):
    _queued.append(function)

def init():
    memory.driver = driver = ctypes.CDLL("libcuda.so.1")
    driver.fake_start(ctypes.c_size_t(500 << 20))
    driver.fake_wait()
    for function in _queued:
        function()
""",
    "torch/cuda/memory.py": """
import ctypes, pickle, time

driver = history = None

def _record_memory_history(enabled="all", context="all", stacks="all", max_entries=1 << 60):
    global history
    assert (enabled, stacks) == ("all", "python")
    history = []

def event(action, address, size):
    frames = [{"filename": "/home/me/train.py", "name": "main", "line": 3}]
    if history is not None:
        history.append({"action": action, "addr": address, "size": size, "stream": 0, "time_us": time.time_ns() // 1000, "frames": frames})

def allocate(address, size, library=b"/usr/lib/libc10_cuda.so"):
    driver.fake_allocate(ctypes.c_uint64(address), ctypes.c_size_t(size), library)
    if b"c10" in library:
        event("segment_alloc", address, size)

def _dump_snapshot(path):
    with open(path, "wb") as file:
        pickle.dump({"segments": [], "device_traces": [history]}, file)
""",
}

TRAIN = """
import torch
from torch.cuda import memory

torch.cuda.init()
memory.allocate(0x7f0000000000, 20 << 20)
memory.event("alloc", 0x7f0000000000, 3 << 20)
memory.allocate(0x7e0000000000, 7 << 20, b"/usr/lib/libnccl.so.2")
memory.driver.fake_wait()
memory.event("free_completed", 0x7f0000000000, 3 << 20)
print("trained")
"""

OPS = """
import ctypes, os, threading
inject = ctypes.CDLL(os.environ["CUDA_INJECTION64_PATH"])
driver = memory.driver

class Op(ctypes.Structure):
    _fields_ = ("name", ctypes.c_char_p), ("step", ctypes.c_int32), ("phase", ctypes.c_uint8)

def tell(name=None, step=-1, phase=0):
    inject.tidemark_set_current_op(ctypes.byref(Op(name, step, phase)) if name else None)

def launch(kernel, node=0):
    driver.fake_launch(kernel, ctypes.c_uint64(node))

def add(node):
    driver.fake_add_node(ctypes.c_uint64(node))

def clone(original, node):
    driver.fake_clone_node(ctypes.c_uint64(original), ctypes.c_uint64(node))
"""


class PythonTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "lib").mkdir()
        for name in ("libcuda.so.1", "libcupti.so.13"):
            (self.folder / "lib" / name).symlink_to(CUDA)
        for name, text in TORCH.items():
            self.write("site/" + name, text)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def profile(self, script, *options, under=()):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(self.folder / "lib"), "PYTHONPATH": str(self.folder / "site")}
        command = [*under, TIDEMARK, "profile", *options, "--out", "run.tide", "--", sys.executable, self.write("train.py", script)]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=100)

    def report(self):
        done = subprocess.run([TIDEMARK, "report", "run.tide", "--json"], cwd=self.folder, capture_output=True, check=True)
        return json.loads(done.stdout)

    def test_every_byte_is_explained(self):
        done = self.profile(TRAIN)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("trained", done.stdout)
        self.assertIn("527.0 MiB in use", done.stdout)
        self.assertIn("100.00 % explained", done.stdout)
        report = self.report()
        self.assertEqual(report["metadata"]["source"], "CUPTI and PyTorch's allocator")
        self.assertRegex(report["metadata"]["model"], "^python[0-9.]* train.py$")
        self.assertEqual((report["device_used_bytes"], report["device_explained_bytes"]), (527 * MIB, 527 * MIB))
        modules = {row["module"]: row["bytes"] for row in report["modules"]}
        self.assertEqual(modules, {"(CUDA context)": 500 * MIB, "(allocator cache)": 17 * MIB,
                                   "(libnccl.so.2)": 7 * MIB, "train:main": 3 * MIB})
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"lib", "site", "train.py", "run.tide"})

    def test_memory_that_is_mapped_is_seen(self):
        maps = """
driver = memory.driver
map, unmap = driver.fake_map, driver.fake_unmap
for function in map, unmap: function.argtypes = ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t
map(1, 0x7c0000000000, 30 << 20)
map(2, 0x7c0002000000, 30 << 20)
unmap(1, 0x7c0000000000, 30 << 20)
driver.fake_wait()
"""
        done = self.profile("import ctypes\n" + TRAIN + maps, "--no-pytorch")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        report = self.report()
        self.assertEqual((report["device_used_bytes"], report["coverage"]), (557 * MIB, 1))
        modules = {row["module"]: row["bytes"] for row in report["modules"]}
        libraries = [module for module in modules if module.startswith("(libffi") or module.startswith("(_ctypes")]
        self.assertEqual([modules[module] for module in libraries], [60 * MIB], modules)  # at the peak

    def launches(self):
        """Of each kernel of the trace: name, module, phase."""
        subprocess.run([TIDEMARK, "export", "run.tide", "--out", "run.json"], cwd=self.folder, capture_output=True, check=True)
        events = json.loads((self.folder / "run.json").read_text())["traceEvents"]
        return [(e["name"], e["args"]["module"], e["cat"]) for e in events if e["ph"] == "X" and e["name"].startswith("kernel")]

    def test_ops_have_their_kernels(self):
        """Of launches one by one, and of a graph: captured, copied twice, launched when no op is current."""
        ops = """
tell(b"(upload)")
launch(b"kernel_a")
tell(b"layers.0.up", 3, 1)
for node, kernel in enumerate((b"kernel_b", b"kernel_c"), 10):
    launch(kernel)
    add(node)
tell(b"layers.0.up_grad", 9, 2)
launch(b"kernel_d")
add(12)
tell()
add(13)
launch(b"kernel_e")
for node in 10, 11, 12, 13:
    clone(node, node + 90)
    clone(node + 90, node + 190)
for node, kernel in enumerate((b"kernel_b", b"kernel_c", b"kernel_d", b"kernel_e"), 200):
    launch(kernel, node)
"""
        done = self.profile(TRAIN + OPS + ops, "--no-pytorch")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        up, down, rest = ("layers.0.up #3", "forward"), ("layers.0.up_grad #9", "backward"), ("(no range)", "forward")
        self.assertEqual(self.launches(), [("kernel_a", "(upload)", "prepare"), ("kernel_b", *up), ("kernel_c", *up),
                                           ("kernel_d", *down), ("kernel_e", *rest), ("kernel_b", *up),
                                           ("kernel_c", *up), ("kernel_d", *down), ("kernel_e", *rest)])
        self.assertEqual(self.report()["metadata"]["named_ops"], 3)
        self.assertEqual({row["op"] for row in self.report()["named_ops"]},
                         {"(upload)", "layers.0.up", "layers.0.up_grad", "(no range)"})
        self.assertIn("\ntime on the device, by op ", done.stdout)
        # In the file each name is once, whatever it launched.
        self.assertEqual((self.folder / "run.tide").read_bytes().count(b"layers.0.up_grad"), 1)

    def test_ops_of_several_threads(self):
        """Each has its own op; all of them name a common one, too."""
        ops = """
start = threading.Barrier(4)
def work(thread):
    start.wait()
    for i in range(200):
        tell(b"thread.%d" % thread, i % 10, 1)
        launch(b"kernel_%d" % thread)
        add(1 + thread * 1000 + i)
        tell(b"common", 0, 1)
        launch(b"kernel_common")
        tell()
        clone(1 + thread * 1000 + i, 100001 + thread * 1000 + i)
        launch(b"kernel_%d" % thread, 100001 + thread * 1000 + i)
threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
        done = self.profile(TRAIN + OPS + ops, "--no-pytorch")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        expected = collections.Counter({("kernel_common", "common #0", "forward"): 800})
        for thread in range(4):
            for step in range(10):
                expected[f"kernel_{thread}", f"thread.{thread} #{step}", "forward"] = 40
        self.assertEqual(collections.Counter(self.launches()), expected)
        self.assertEqual(self.report()["metadata"]["named_ops"], 41)

    def test_programs_that_name_no_ops_are_not_asked(self):
        ops = """
launch(b"kernel_a")
add(1)
clone(1, 2)
launch(b"kernel_a", 2)
assert driver.fake_is_asked_for_ops() == 0
tell()
assert driver.fake_is_asked_for_ops() == 0
"""
        done = self.profile(TRAIN + OPS + ops, "--no-pytorch")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.launches(), [("kernel_a", "(no range)", "forward")] * 2)
        self.assertNotIn("named_ops", self.report()["metadata"])
        self.assertNotIn("by op", done.stdout)

    def test_where_another_profiler_runs_graphs_have_no_ops(self):
        ops = """
tell(b"up", 3, 1)
launch(b"kernel_a")
add(1)
tell()
launch(b"kernel_a", 1)
"""
        done = self.profile("import ctypes; ctypes.CDLL('libcuda.so.1').fake_subscribe()\n" + TRAIN + OPS + ops, "--no-pytorch")
        self.assertEqual(done.returncode, 0)
        self.assertIn("CUDA graphs have no ops: another profiler has CUPTI's callbacks\n", done.stdout)
        self.assertEqual(self.launches(), [("kernel_a", "up #3", "forward"), ("kernel_a", "(no range)", "forward")])

    def test_records_are_kept_for_who_develops_this(self):
        os.environ["TIDEMARK_INJECT_RECORDS"] = "1"
        self.addCleanup(os.environ.pop, "TIDEMARK_INJECT_RECORDS")
        self.assertEqual(self.profile(TRAIN).returncode, 0)
        kept, = self.folder.glob("run.*.records")
        version, size = struct.unpack_from("<II", kept.read_bytes())
        kind, operation = struct.unpack_from("<II", kept.read_bytes(), 8)
        self.assertEqual((kind, operation), (49, 1))  # MEMORY2, ALLOCATION
        self.assertGreater(size, 100)
        self.assertEqual(kept.read_bytes().count(b"/usr/lib/libnccl.so.2"), 1)

    def test_what_was_missed_is_said(self):
        done = self.profile(TRAIN + "memory.driver.fake_lose(1234)\n")
        self.assertIn("the driver dropped 1,234 records", done.stdout)
        self.assertEqual(self.report()["metadata"]["dropped_records"], 1234)
        done = self.profile("import ctypes; ctypes.CDLL('libcuda.so.1').fake_subscribe()\n" + TRAIN)
        self.assertIn("mapped (cuMemMap) is not seen", done.stdout)
        self.assertEqual(self.report()["coverage"], 1)

    def test_a_disk_that_is_full_is_said(self):
        """A limit on the size of files is as good as a full disk."""
        lots = "for i in range(3000): memory.allocate(0x6f0000000000 + (i << 12), 4096, b'/usr/lib/libx.so')\n"
        limits = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))\n"
        # Of the program alone: what fits is shown.
        done = self.profile(limits % (1 << 16, 1 << 16) + TRAIN + "memory.driver.fake_wait_for_flushes()\n" + lots)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "cannot record: .*: File too large; what was recorded so far is shown\n")
        self.assertEqual(self.report()["metadata"]["complete"], False)
        (self.folder / "run.tide").unlink()
        # Of profile, too.
        shell = lambda blocks: ["sh", "-c", f"trap '' XFSZ; ulimit -S -f {blocks}; exec \"$@\"", "sh"]
        whole = TRAIN + lots + "memory.driver.fake_wait_for_flushes()\nimport os; os._exit(6)"
        done = self.profile(limits % (-1, -1) + whole, under=shell(16))
        self.assertEqual(done.returncode, 6)
        self.assertRegex(done.stderr, "no trace of it could be written [(]it ended with status 6[)]; free some space")
        self.assertEqual(list(self.folder.glob("run.tide*")), [])
        # From the beginning: the program is not started.
        done = self.profile(TRAIN, under=shell(1))
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, "^tidemark: cannot profile the command: .*: File too large; free some space")

    def test_ranks_have_their_names(self):
        """As torchrun starts them; the second has a child that uses the device, too, as another rank."""
        self.write("rank.py", TRAIN + "import os, subprocess, sys\n"
                   "if os.environ['RANK'] == '1': subprocess.run([sys.executable, 'rank.py'], env={**os.environ, 'RANK': '9'})\n")
        launch = """
import os, subprocess, sys
ranks = [subprocess.Popen([sys.executable, "rank.py"], env={**os.environ, "RANK": str(r), "WORLD_SIZE": "2"}) for r in range(2)]
sys.exit(max(rank.wait() for rank in ranks))
"""
        done = self.profile(launch)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(sorted(path.name for path in self.folder.glob("*.tide")),
                         ["run.rank0-0.tide", "run.rank1-0.tide", "run.rank9-0.tide"])
        self.assertRegex(done.stdout, "process      [0-9]+ on cuda:0, rank 1 of 2\n")
        self.assertRegex(done.stdout, "\n3 traces +peak +in use +explained\n(  run.rank[019]-0.tide +527.0 MiB +527.0 MiB +100.00 %\n){3}$")
        # Where several are of one rank, their numbers tell them apart.
        for path in self.folder.glob("*.tide"):
            path.unlink()
        done = self.profile(launch.replace("str(r)", "'0'"))
        self.assertEqual(done.returncode, 0)
        for path in self.folder.glob("*.tide"):
            self.assertRegex(path.name, "^run[.][0-9]+-0[.]tide$")

    def test_without_the_history_the_segments_are_seen(self):
        done = self.profile(TRAIN, "--no-pytorch")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        report = self.report()
        self.assertEqual((report["metadata"]["source"], report["coverage"]), ("CUPTI", 1))
        modules = {row["module"]: row["bytes"] for row in report["modules"]}
        self.assertEqual(modules, {"(CUDA context)": 500 * MIB, "(libc10_cuda.so)": 20 * MIB, "(libnccl.so.2)": 7 * MIB})

    def test_what_is_killed_leaves_what_it_did(self):
        done = self.profile(TRAIN + "memory.driver.fake_wait_for_flushes()\nimport os\nos.kill(os.getpid(), 9)\n")
        self.assertEqual(done.returncode, 128 + 9)
        self.assertRegex(done.stderr, "^tidemark: process [0-9]+: it was ended; what it did last may be missing\n$")
        report = self.report()
        self.assertEqual((report["metadata"]["source"], report["metadata"]["complete"]), ("CUPTI", False))
        self.assertEqual((report["device_used_bytes"], report["coverage"]), (527 * MIB, 1))
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"lib", "site", "train.py", "run.tide"})

    def test_what_fails_in_pytorch_fails_alone(self):
        for broken, why in (("_record_memory_history", "too old"), ("_dump_snapshot", "no room")):
            script = f"import torch\ndef fail(*a, **k): raise RuntimeError('{why}')\ntorch.cuda.memory.{broken} = fail\n"
            done = self.profile(script + TRAIN)
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stderr, f"^tidemark: cannot record PyTorch's allocations: process [0-9]+: {why}\n$")
            self.assertEqual(self.report()["metadata"]["source"], "CUPTI")

    def test_a_snapshot_that_cannot_be_merged_stays(self):
        done = self.profile(TRAIN + "for e in memory.history: del e['time_us']\n")
        self.assertEqual(done.returncode, 0)
        self.assertIn("its events have no times", done.stderr)
        kept = list(self.folder.glob("run.*.pickle"))
        self.assertEqual(len(kept), 1)
        self.assertIn(f"'tidemark import {kept[0].name}'", done.stderr)
        self.assertEqual(self.report()["metadata"]["source"], "CUPTI")

    def test_the_program_is_as_without(self):
        """Its own sitecustomize, its path, its status; torch that never starts CUDA, and none."""
        self.write("site/sitecustomize.py", "import sys; sys.flags_of_site = 'own'")
        for torch in ("", "import torch; "):
            done = self.profile(torch + "import sys; print(sys.flags_of_site, sys.path[1], len(sys.meta_path)); sys.exit(5)")
            plain = subprocess.run([sys.executable, "-c", "import sys; print(len(sys.meta_path))"], capture_output=True, text=True)
            finders = int(plain.stdout) + (0 if torch else 1)
            self.assertEqual(done.stdout, f"own {self.folder / 'site'} {finders}\n")
            self.assertIn("nothing of it used a CUDA device (it ended with status 5)", done.stderr)
            self.assertEqual(done.returncode, 5)
            self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
