"""scripts/gpu-check without a GPU: what its checks make of outputs that are right, and of such as are not; that it keeps
to its time, ends what it started, and keeps what it found. gpu_check_test.py GPU_CHECK"""
import argparse
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("gpu_check", sys.argv[1])
SPEC = importlib.util.spec_from_loader("gpu_check", LOADER)
check = importlib.util.module_from_spec(SPEC)
sys.modules["gpu_check"] = check
LOADER.exec_module(check)
GIB = 1 << 30


def text(**keys):
    return json.dumps(keys) + "\n"


class Judges(unittest.TestCase):
    def fails(self, why, judge, *arguments):
        with self.assertRaisesRegex(check.Failed, why):
            judge(*arguments)

    def test_plans(self):
        run = {"predicted_peak_bytes": 100, "measured_peak_bytes": 100, "losses": [2.0, 1.0]}
        check.same_under_plans([text(**run), text(**{**run, "predicted_peak_bytes": 60, "measured_peak_bytes": 60})])
        self.fails("measured 99", check.same_under_plans, [text(**{**run, "measured_peak_bytes": 99})])
        self.fails("changes the losses", check.same_under_plans, [text(**run), text(**{**run, "losses": [2.0, 1.5]})])

    def test_what_cupti_and_the_driver_see(self):
        run = text(predicted_peak_bytes=100 * GIB, measured_peak_bytes=100 * GIB, tokens_per_second=5.0)
        report = lambda used: json.dumps({"device_used_bytes": used}, indent=2)
        self.assertIn("0.50%", check.as_planned([run + report(100 * GIB + GIB // 2)])["note"])
        self.fails("up to 1 %", check.as_planned, [run + report(102 * GIB)])
        self.fails("up to 1 %", check.as_planned, [run + report(99 * GIB)])
        self.fails("measured", check.as_planned, [run.replace('"measured_peak_bytes": 1', '"measured_peak_bytes": 2') + report(1)])
        values = lambda size: text(largest_values=[{"bytes": size}])
        check.seen_by_cupti([text(predicted_peak_bytes=7), "", values(7)])
        self.fails("no allocation", check.seen_by_cupti, [text(predicted_peak_bytes=7), "", values(8)])
        check.coverage(["", text(coverage=0.9991)])
        self.fails("99.9 %", check.coverage, ["", text(coverage=0.9989)])

    def test_memory_that_is_mapped(self):
        def report(mapped_bytes, coverage=0.99, **metadata):
            modules = [{"module": "(CUDA context)", "bytes": GIB}, {"module": "step", "bytes": mapped_bytes}]
            return [text(modules=modules, coverage=coverage, metadata=metadata)]
        check.mapped(report(520 << 20))
        self.fails("wanted", check.mapped, report(20 << 20))
        self.fails("wanted", check.mapped, report(520 << 20, 0.9))
        self.fails("wanted", check.mapped, report(520 << 20, mapped_memory_unseen="another"))

    def test_op_names(self):
        report = lambda **seconds: ["", json.dumps({"named_ops": [{"op": op, "seconds": s} for op, s in seconds.items()]})]
        self.assertEqual(check.op_names(report(**{"layer.0 #1": 0.9, "(upload)": 0.1}))["share"], 1)
        self.fails("98.00%", check.op_names, report(**{"layer.0 #1": 0.98, "(no range)": 0.02}))
        self.fails("0.00%", check.op_names, report())

    def test_costs_and_rates(self):
        times = lambda *seconds: ["noise\n" + text(step_seconds_median=s) for s in seconds]
        check.overhead(times(1, 1.009, 1.04))
        self.fails("1 % and 5 %", check.overhead, times(1, 1.02, 1.04))
        self.fails("1 % and 5 %", check.overhead, times(1, 1, 1.06))
        def side(seconds, peak):
            return text(step_seconds_median=seconds, tokens=1000, peak_bytes=peak, torch="2")
        good = [side(1, 70), side(1.4, 100), side(1.1, 100)]
        self.assertEqual(check.speed(good * 2, check.TARGETS)["rounds"], 2)
        self.fails("1.35x eager", check.speed, [side(1, 70), side(1.3, 100), side(1.1, 100)], check.TARGETS)
        self.fails("1.05x compiled", check.speed, [side(1, 70), side(1.4, 100), side(1.0, 100)], check.TARGETS)
        self.fails("0.7 of its peak", check.speed, [side(1, 71), side(1.4, 100), side(1.1, 100)], check.TARGETS)
        rates = lambda a, b: [text(tokens_per_second=a), text(tokens_per_second=b)]
        check.against_llm_q(rates(150_000, 60_000))
        self.fails("its level", check.against_llm_q, rates(150_000, 50_000))
        op = lambda *seconds: [text(ops=[{"kind": k, "seconds": s} for k, s in zip(("wkv7", "wkv7_grad"), seconds)])]
        check.rwkv7_time(op(5e-3, 10e-3))
        self.fails("16 ms", check.rwkv7_time, op(7e-3, 10e-3))
        self.fails("16 ms", check.rwkv7_time, op(7e-3))

    def test_tests_and_sanitizers(self):
        check.tests_passed(["[  PASSED  ] 12 tests."])
        self.fails("no test", check.tests_passed, ["skipped: no GPU"])
        ran = "========= COMPUTE-SANITIZER\n[       OK ] A.b (1 ms)\n[       OK ] A.c (1 ms)\n"
        self.assertEqual(check.sanitized([ran + "========= ERROR SUMMARY: 0 errors\n"])["note"], "2 tests")
        self.assertIn("in the time", check.sanitized([ran])["note"])
        self.assertEqual(check.sanitized([ran + "========= RACECHECK SUMMARY: 0 hazards displayed\n"])["note"], "2 tests")
        self.fails("Invalid __global__ read", check.sanitized, [ran + "========= Invalid __global__ read of size 4 bytes\n"])
        self.fails("1 errors", check.sanitized, [ran + "========= ERROR SUMMARY: 1 errors\n"])
        self.fails("A.d", check.sanitized, [ran + "[  FAILED  ] A.d (1 ms)\n"])
        self.fails("no test ran", check.sanitized, ["========= COMPUTE-SANITIZER\n"])
        check.carried(["linux-vdso.so.1\n libm.so.6 => /lib\n"])
        self.fails("libzlib", check.carried, ["libzlib.so => not found\n"])


class Time(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        check.gpu = lambda: ("a GPU, 1, 2", 80 * GIB)
        self.args = argparse.Namespace(python=sys.executable, rounds=3, minutes=None, half=None, out=self.folder / "report.json")

    def run_all(self, checks, seconds=100.0):
        self.args.minutes = seconds / 60
        with open(os.devnull, "w") as nowhere:
            stdout, sys.stdout = sys.stdout, nowhere
            try:
                status = check.check_all(checks, self.args, self.folder / "report.files")
            finally:
                sys.stdout = stdout
        return status, json.loads(self.args.out.read_text())

    def test_what_there_is_no_time_for_is_said(self):
        note = lambda outputs: {"note": "".join(outputs)}
        status, report = self.run_all({
            "quick": check.Check(1, [("echo", "done")], note),
            "large": check.Check(1, [("echo", "done")], note, device_bytes=100 * GIB),
            "hangs": check.Check(1, [("sh", "-c", "echo said; sleep 60 & wait")], note, limit=1),
            "fails": check.Check(1, [("sh", "-c", "echo why >&2; exit 3")], note),
            "samples": check.Check(1, [("sh", "-c", "echo some; sleep 60")], note, limit=1, samples=True),
            "long": check.Check(2, [("sleep", "60")], note),
            "last": check.Check(2, [("echo", "done")], note)}, 9)
        self.assertEqual(status, 1)
        self.assertEqual({name: result["passed"] for name, result in report["checks"].items()},
                         {"quick": True, "hangs": False, "fails": False, "samples": True})
        self.assertRegex(report["checks"]["hangs"]["note"], "not done after 1 s: said")
        self.assertRegex(report["checks"]["fails"]["note"], "exit status 3: why")
        self.assertEqual(report["checks"]["samples"]["note"], "some\n")
        self.assertEqual([left.partition(":")[0] for left in report["left"][len(check.LEFT):]], ["large", "long", "last"])
        self.assertEqual((self.folder / "report.files" / "quick-0.out").read_text(), "done\n")
        # The second half goes on with the report of the first.
        status, report = self.run_all({"last": check.Check(2, [("echo", "done")], note)})
        self.assertEqual(list(report["checks"]), ["quick", "hangs", "fails", "samples", "last"])
        self.assertEqual([left.partition(":")[0] for left in report["left"][len(check.LEFT):]], ["large", "long"])

    def test_what_was_started_is_ended(self):
        log = self.folder / "pid"
        one = check.Check(1, [("sh", "-c", f"sh -c 'echo $$ > {log}; sleep 60' & wait")], lambda outputs: {"note": ""}, limit=1)
        self.run_all({"one": one})
        time.sleep(0.1)
        state = pathlib.Path(f"/proc/{int(log.read_text())}/stat")
        self.assertTrue(not state.exists() or state.read_text().split()[2] == "Z")

    def test_turns_are_taken_while_there_is_time(self):
        turns = check.Check(1, [("sh", "-c", "sleep 0.4; echo 1"), ("echo", "2")], lambda o: {"note": "".join(o)}, compares=True)
        _, report = self.run_all({"turns": turns})
        self.assertEqual(report["checks"]["turns"]["note"], "1\n2\n" * 3)
        _, report = self.run_all({"turns": turns}, 5.7)
        self.assertEqual(report["checks"]["turns"]["note"], "1\n2\n" * 3)
        slow = check.Check(1, [("sh", "-c", "sleep 4; echo 1")], lambda o: {"note": "".join(o)}, compares=True)
        _, report = self.run_all({"slow": slow}, 6)
        self.assertEqual(report["checks"]["slow"]["note"], "1\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
