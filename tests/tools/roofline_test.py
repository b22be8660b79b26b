"""Tests of tools/roofline.py: how it reads machine code, and what it makes of it. Needs no compiler."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import roofline  # noqa: E402
from check_sass import Kernel  # noqa: E402


def code(*lines: str) -> list[tuple[int, str]]:
    return [(16 * i, line) for i, line in enumerate(lines)]


LOOP = code("S2R R0, SR_TID.X",                   # block 0
            "@P0 BRA 0x60",
            "LDG.E.128 R4, desc[UR4][R2.64]",     # 1: the loop
            "FADD R8, R4, R8",
            "@P1 BRA 0x20",
            "STG.E.64 desc[UR4][R2.64], R8",      # 2
            "EXIT")                               # 3


class Flow(unittest.TestCase):
    def test_blocks_end_at_branches_and_begin_at_targets(self):
        blocks = roofline.blocks_of(LOOP)
        self.assertEqual([len(b.code) for b in blocks], [2, 3, 1, 1])
        self.assertEqual([sorted(b.next) for b in blocks], [[1, 3], [1, 2], [3], []])

    def test_a_branch_for_diverged_warps_is_not_taken(self):
        blocks = roofline.blocks_of(code("BRA.DIV UR5, 0x20", "EXIT", "SHFL.BFLY PT, R0, R1, 0x8, 0x1f", "BRA 0x10"))
        self.assertEqual(blocks[0].next, [1])

    def test_loop_is_found_and_left(self):
        blocks = roofline.blocks_of(LOOP)
        self.assertEqual(roofline.loops_of(blocks), [(1, {1})])
        self.assertEqual(blocks[1].next, [2])

    def test_unreachable_code_is_no_part_of_a_loop(self):
        blocks = roofline.blocks_of(code("NOP", "@P0 BRA 0x10", "EXIT", "BRA 0x10"))
        self.assertEqual(roofline.loops_of(blocks), [(1, {1})])

    def test_inner_loop_takes_the_trips_of_its_opcode(self):
        blocks = roofline.blocks_of(code("NOP", "IADD3 R0, R0, R1, RZ", "HMMA.16816.F32 R4, R8, R10, R4", "@P0 BRA 0x20",
                                         "STG.E.64 desc[UR4][R2.64], R4", "@P1 BRA 0x10", "EXIT"))
        roofline.set_trips(blocks, roofline.Rule("", [], [("HMMA", 12), (r"STG\.E\.64$", 3)]))
        self.assertEqual([b.trips for b in blocks], [1, 3, 36, 3, 1])

    def test_path_has_what_it_needs_and_no_more(self):
        blocks = roofline.blocks_of(LOOP)
        roofline.loops_of(blocks)
        self.assertEqual(roofline.path_of(blocks, []), [0, 3])
        self.assertEqual(roofline.path_of(blocks, ["LDG"]), [0, 1, 2, 3])
        with self.assertRaisesRegex(ValueError, "no path has all of HMMA"):
            roofline.path_of(blocks, ["HMMA"])

    def test_width_is_that_of_a_thread(self):
        names = ("LDG.E", "LDG.E.64", "STG.E.128.STRONG.GPU", "LDG.E.U16", "LDGSTS.E.BYPASS.128.ZFILL")
        self.assertEqual([roofline.width(n) for n in names], [4, 8, 16, 2, 16])


class Clocks(unittest.TestCase):
    def clocks(self, *lines, warps=1.0):
        blocks = roofline.blocks_of(code(*lines, "EXIT"))
        return roofline.clocks_of(blocks, list(range(len(blocks))), warps, "L2", 0.0)[0]

    def test_loads_side_by_side_wait_once(self):
        load = "LDG.E R{0}, desc[UR4][R2.64]".format
        one = self.clocks(load(4), "FADD R4, R4, R4")
        serial = self.clocks(load(4), "FADD R4, R4, R4", load(5), "FADD R5, R5, R5")
        batched = self.clocks(load(4), load(5), "FADD R4, R4, R4", "FADD R5, R5, R5")
        self.assertGreater(one, roofline.LATENCY["L2"])
        self.assertGreater(serial, 2 * roofline.LATENCY["L2"])
        self.assertLess(batched, one + 4)

    def test_warps_share_the_issue_slot(self):
        self.assertGreaterEqual(self.clocks(*["FADD R4, R4, R4"] * 100, warps=4.0), 400)


class Table(unittest.TestCase):
    LAUNCH = {"kernel": "unfold_rows", "N": 1, "grid": [264, 1, 1], "threads": 256, "smem": 0, "cluster": 1, "early": False,
              "row": {"key": "main.0", "N": 1, "pixels": 16384, "parities": 1, "C_in": 24, "C_out": 64, "taps": 7, "strips": 256,
                      "in_bytes": 1, "sums_bytes": 1, "tile": 2, "splits": 1, "wgmma": False, "border": True, "head": False,
                      "adds": False}}

    def kernel(self, registers=32):
        body = code("LDG.E R4, desc[UR4][R2.64]", "STG.E.64 desc[UR4][R2.64], R4", "EXIT")
        return Kernel("unfold_rows_kernelI6__half", "90a", body, 0, registers)

    def test_registers_and_shared_memory_limit_the_blocks(self):
        self.assertEqual(roofline.predict(self.LAUNCH, self.kernel()).resident, 8)
        self.assertEqual(roofline.predict(self.LAUNCH, self.kernel(93)).resident, 2)
        self.assertEqual(roofline.predict(self.LAUNCH | {"smem": 100 << 10}, self.kernel()).resident, 2)
        self.assertEqual(roofline.predict(self.LAUNCH | {"grid": [2640, 1, 1]}, self.kernel()).waves, 3)

    def test_sum_adds_launches_and_gaps(self):
        text = roofline.table([self.LAUNCH, self.LAUNCH], [self.kernel()])
        one = roofline.predict(self.LAUNCH, self.kernel()).us
        self.assertIn(f"sum {2 * one:.0f} us in 2 launches, gaps {roofline.GAP_US:.0f} us", text)

    def test_missing_kernel_is_told(self):
        with self.assertRaisesRegex(SystemExit, "0 kernels are called unfold_rows_kernelI6__half, which unfold_rows needs"):
            roofline.table([self.LAUNCH], [])

    def test_difference_is_shown_and_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            launches, committed = pathlib.Path(folder) / "launches", pathlib.Path(folder) / "table"
            launches.write_text("")
            committed.write_text("of old\n")
            result = subprocess.run([sys.executable, ROOT / "tools/roofline.py", "--launches", launches, "--compare", committed,
                                     committed], capture_output=True, text=True, check=False,
                                    env={"PATH": self.without_kernels(folder)})
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("-of old", result.stdout)
        self.assertIn("is of other kernels; if the change is meant, write it anew with --write", result.stderr)

    @staticmethod
    def without_kernels(folder):
        tool = pathlib.Path(folder) / "cuobjdump"
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        return folder


if __name__ == "__main__":
    unittest.main()
