"""What bench/table.py and bench/gpu_report.py make of results; the numbers here are invented and go nowhere."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import gpu_report
import table

CPU = {
    "date": "2026-01-02", "cpu": "A CPU", "threads": 2,
    "results": [{"width": 64, "engine": name, "median_ms": 10.0 * i, "times_ours": float(i)}
                for i, name in enumerate(table.NAMES, 1)],
}
GPU = {
    "kind": "gpu", "date": "2026-01-03",
    "machine": {"gpu": {"name": "A GPU", "driver_version": "1.2"}},
    "stages": [{"name": "generator", "result": "passed", "seconds": 40, "limit_s": 65,
                "sm_clock_mhz": {"low": 345, "median": 1900, "high": 1980}}],
    "generator": {"benchmarks": [
        {"name": "BM_Generator/backend:cuda/precision:fp16/width:64/N:1/size:128", "median_ms": 0.25, "images_per_s": 4000.0,
         "share_of_ceiling": 0.125},
        {"name": "BM_GeneratorOnDevice/precision:fp16/width:64/N:1/size:128", "median_ms": 0.125, "images_per_s": 8000.0,
         "share_of_ceiling": 0.25},
        {"name": "BM_Generator/backend:cuda/precision:fp32/width:64/N:1/size:128", "median_ms": 9.0, "images_per_s": 1.0,
         "share_of_ceiling": 0.5},
        {"name": "BM_Generator/backend:cuda/precision:fp16/width:64/N:8/size:128", "error_occurred": True}]},
    "convs": {"benchmarks": [{"name": "BM_Conv/layer:main.3/precision:fp16/instruction:wgmma/N:64", "median_ms": 0.0625,
                              "share_of_ceiling": 0.6}]},
    "speech": {"benchmarks": [
        {"name": "BM_Speech/backend:cuda/hidden:96/layers:2/seconds:6", "median_ms": 1.0, "lstm_us_per_step_and_layer": 1.25},
        {"name": "BM_Mfcc/backend:cuda/seconds:3", "median_ms": 0.05}]},
    "peers": {"results": [
        {"work": "generator", "engine": "torch.compile", "precision": "fp16", "width": 64, "N": 1, "device_ms": 0.5},
        {"work": "generator", "engine": "torch.compile", "precision": "fp16", "width": 64, "N": 8, "device_ms": 0.7},
        {"work": "generator", "engine": "eager, graph", "precision": "fp16", "width": 64, "N": 1, "device_ms": 0.75},
        {"work": "generator", "engine": "eager, graph, host to host", "precision": "fp16", "width": 64, "N": 1, "median_ms": 1.0,
         "device_ms": 0.9},
        {"work": "conv", "engine": "cuDNN", "precision": "fp16", "layer": "main.3", "N": 64, "device_ms": 0.125},
        {"work": "lstm", "engine": "cuDNN", "precision": "fp32", "hidden": 96, "layers": 2, "steps": 300, "device_ms": 6.0},
        {"work": "lstm", "engine": "cuDNN, graph", "precision": "fp16", "hidden": 96, "layers": 2, "steps": 300, "device_ms": 3.0},
        {"work": "mfcc", "engine": "torch", "precision": "fp32", "seconds": 3, "device_ms": 0.25},
        {"work": "mfcc", "engine": "torchaudio", "precision": "fp32", "seconds": 3, "device_ms": 0.5}]},
}


class Tables(unittest.TestCase):
    def test_gpu_numbers_stand_beside_their_peers(self):
        generator, speech, convs = table.gpu_tables(GPU)
        self.assertTrue(generator.startswith("A GPU, driver 1.2, 2026-01-03"))
        self.assertIn("| 1 | GPU | 125.0 us | 8000 | 25% | 500.0 us (4.00x) | - | - | 750.0 us (6.00x) | - |", generator)
        self.assertIn("| 1 | host | 250.0 us | 4000 | 12% | - | - | - | 1.00 ms (4.00x) | - |", generator)
        self.assertEqual(generator.count("\n| "), 4)  # head, rule, the two rows of fp16 that were measured
        self.assertIn("| LSTM, 96 units, a step and layer | 1.2 us | 5.0 us (4.00x) | cuDNN |", speech)
        self.assertIn("| MFCC of 3 s | 50.0 us | 500.0 us (10.00x) | torchaudio |", speech)
        self.assertNotIn("| torch |", speech)
        self.assertIn("| main.3 | 64 | wgmma | 62.5 us | 60% | 125.0 us (2.00x) |", convs)

    def test_nothing_measured_gives_no_table(self):
        self.assertEqual(table.gpu_tables({"kind": "gpu", "machine": GPU["machine"], "peers": GPU["peers"]}), [])

    def test_readme_gets_the_newest_of_each_machine_between_its_marks(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(table, "ROOT", Path(name)):
            results = table.ROOT / "bench/results"
            results.mkdir(parents=True)
            old = CPU | {"date": "2025-01-01"}
            for i, report in enumerate([GPU, CPU, old]):
                (results / f"{i}.json").write_text(json.dumps(report))
            readme = table.ROOT / "README.md"
            readme.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
            table.main()
            text = readme.read_text()
            self.assertTrue(text.startswith(f"before\n{table.BEGIN}| processor |") and text.endswith(f"{table.END}after\n"))
            self.assertIn("| A CPU, 2026-01-02 | 2 | 64 | 10.0 ms | 20.0 ms (2.00x) | 30.0 ms (3.00x) | 40.0 ms (4.00x) |", text)
            self.assertIn("A GPU, driver 1.2", text)
            self.assertNotIn("2025-01-01", text)
            table.main()
            self.assertEqual(readme.read_text(), text)

    def test_refusals_say_what_is_needed(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(table, "ROOT", Path(name)):
            with self.assertRaisesRegex(SystemExit, "^table: bench/results/ holds no result; run bench/peers.py first$"):
                table.main()
            (table.ROOT / "bench/results").mkdir(parents=True)
            (table.ROOT / "bench/results/a.json").write_text(json.dumps(CPU))
            (table.ROOT / "README.md").write_text(table.BEGIN)
            with self.assertRaisesRegex(SystemExit, "^table: README.md needs the lines .*, once each and in this order$"):
                table.main()


class Reports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)
        self.results = self.work / "results.json"

    def add(self, stage, result="passed"):
        gpu_report.add(self.work, self.results, stage, result, "7", "65")
        return json.loads(self.results.read_text())

    def test_rows_before_a_cut_are_kept(self):
        whole = json.dumps({"context": {"a": 1}, "benchmarks": [{"name": "x", "v": {"w": 1}}, {"name": "y", "v": 2}]}, indent=2)
        for end in range(whole.index('"y"'), len(whole) + 1):
            (self.work / "generator.json").write_text(whole[:end])
            self.assertEqual(self.add("generator", "out of time")["generator"]["benchmarks"][0], {"name": "x", "v": {"w": 1}}, end)

    def test_what_is_no_json_is_left_out(self):
        for text in ["", "Killed\n", '{"a": 1},\nKilled\n']:
            (self.work / "peers.json").write_text(text)
            self.assertNotIn("peers", self.add("peers", "failed"))

    def test_a_stage_replaces_what_it_wrote_before(self):
        (self.work / "tests.json").write_text('{"tests": 3}')
        (self.work / "tests.clocks").write_text("345, 70.1, 30\n1980, 500.0, 50\n1900, 500.0, 50\n[N/A], 1, 1\n")
        self.add("generator", "failed")
        report = self.add("tests")
        self.assertEqual(report["tests"], {"tests": 3})
        self.assertEqual(report["stages"], [
            {"name": "generator", "result": "failed", "seconds": 7, "limit_s": 65, "sm_clock_mhz": None},
            {"name": "tests", "result": "passed", "seconds": 7, "limit_s": 65,
             "sm_clock_mhz": {"low": 345, "median": 1900, "high": 1980}}])
        (self.work / "tests.json").unlink()
        report = self.add("tests", "failed")
        self.assertNotIn("tests", report)
        self.assertEqual([stage["result"] for stage in report["stages"]], ["failed", "failed"])

    def test_summary_names_failed_tests_and_tools(self):
        suites = [{"name": "Conv2d", "testsuite": [{"name": "A"}, {"name": "B", "failures": [{}]}]}]
        self.results.write_text(json.dumps(GPU | {"tests": {"tests": 2, "testsuites": suites}, "sanitizers": {"racecheck": "failed"}}))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            gpu_report.summary(self.results)
        for line in ["generator   passed         40 s of  65 s  345 to 1980 MHz, median 1900", "tests       2 run, 1 failed: Conv2d.B",
                     "racecheck   failed", "| faces | from and to | emoengine |"]:
            self.assertIn(line, printed.getvalue())

    def test_without_a_gpu_it_says_so(self):
        with mock.patch.object(gpu_report, "words_of", lambda *command: None):
            with self.assertRaisesRegex(SystemExit, "^gpu_report: nvidia-smi gives no answer; a machine with an NVIDIA GPU"):
                gpu_report.machine()


if __name__ == "__main__":
    unittest.main()
