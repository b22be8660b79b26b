"""Tests of tools/check_sass.py: python3 tests/tools/check_sass_test.py, with nvcc, cuobjdump and nvdisasm on PATH."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_sass  # noqa: E402
from check_sass import Rule  # noqa: E402

GOOD = """
	code for sm_90a
	.target	sm_90a

		Function : good_kernel
	.headerflags	@"EF_CUDA_SM90"
        /*0000*/                   LDC R1, c[0x0][0x28] ;                    /* 0x00000a00ff017b82 */
        /*0010*/              @!P0 BRA 0x690 ;                               /* 0x0000000000000947 */
        /*1000*/                   HGMMA.64x128x16.F32 R24, gdesc[UR8], R24, UP0 ;
        /*1010*/         @UP0      UTMALDG.5D [UR8], [UR26] ;

Resource usage:
 Common:
  GLOBAL:0
 Function good_kernel:
  REG:152 STACK:0 SHARED:1024 LOCAL:0 CONSTANT[0]:1024 TEXTURE:0 SURFACE:0 SAMPLER:0
"""
WGMMA = Rule("good_kernel", needs=("HGMMA", "UTMALDG.5D"), lacks=("MEMBAR",))


class CheckSass(unittest.TestCase):
    def faults(self, listing, *rules):
        return check_sass.faults_of(check_sass.parse(listing), rules)

    def test_listing_is_read(self):
        (kernel,) = check_sass.parse(GOOD)
        self.assertEqual((kernel.name, kernel.arch, kernel.local_bytes), ("good_kernel", "90a", 0))
        self.assertEqual(kernel.opcodes, ["LDC", "BRA", "HGMMA.64x128x16.F32", "UTMALDG.5D"])

    def test_what_should_be_there_passes(self):
        self.assertEqual(self.faults(GOOD, WGMMA), [])

    def test_missing_instruction(self):
        self.assertEqual(self.faults(GOOD.replace("HGMMA.64x128x16.F32", "FFMA"), WGMMA),
                         ["good_kernel for sm_90a: has no HGMMA"])

    def test_unwanted_instruction(self):
        self.assertEqual(self.faults(GOOD.replace("BRA", "MEMBAR.ALL.GPU"), WGMMA),
                         ["good_kernel for sm_90a: has 1 MEMBAR, and should have none"])

    def test_spill(self):
        self.assertEqual(self.faults(GOOD.replace("BRA", "STL.64"), WGMMA),
                         ["good_kernel for sm_90a: 1 accesses to 0 bytes of local memory; no kernel may spill"])

    def test_stack_frame(self):
        self.assertEqual(self.faults(GOOD.replace("STACK:0", "STACK:32"), WGMMA),
                         ["good_kernel for sm_90a: 0 accesses to 32 bytes of local memory; no kernel may spill"])

    def test_rule_of_another_architecture_is_left_out(self):
        self.assertEqual(self.faults(GOOD, Rule("good_kernel", arch="^80$", needs=("LDGSTS",))), [])

    def test_rule_without_a_kernel(self):
        self.assertEqual(self.faults(GOOD, Rule("old_name", needs=("HMMA",))),
                         ["no kernel is called old_name; change the rule with the name"])

    def test_listing_without_instructions(self):
        listing = "code for sm_80\n\t\tFunction : empty\n"
        self.assertEqual(self.faults(listing), ["empty for sm_80: has no instructions in the listing"])

    def test_planted_kernel_that_spills_and_lacks_tensor_cores(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "planted.cu"
            source.write_text(
                "__global__ void conv2d_kernelILNS_8MathTypeE0E(float* x, int i) {\n"
                "  float local[64];\n"
                "  for (int j = 0; j < 64; ++j) local[j * i % 64] = x[j];\n"
                "  x[0] = local[i];\n"
                "}\n")
            result = subprocess.run([ROOT / "tools/check_sass.py", "--arch", "80", source], capture_output=True, text=True,
                                    check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"E0E.* for sm_80: \d+ accesses to 256 bytes of local memory; no kernel may spill")
        self.assertRegex(result.stderr, r"E0E.* for sm_80: has no HMMA.16816.F32\n")
        self.assertRegex(result.stderr, r"E0E.* for sm_80: has no LDGSTS.E.BYPASS.128\n")
        self.assertRegex(result.stdout, r"^check_sass: 1 kernels for sm_80, \d+ faults\n$")

    def test_missing_compiler_is_told(self):
        result = subprocess.run([sys.executable, ROOT / "tools/check_sass.py", "x.cu"], env={"PATH": "/nowhere"},
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("nvcc is not on PATH; tools/cuda_compiler.sh installs it", result.stderr)


if __name__ == "__main__":
    unittest.main()
