#!/usr/bin/env python3
"""Checks compiled kernels: none spills, and those that should use tensor cores and asynchronous copies do.

  tools/check_sass.py --every-rule kernels/*.cu       compiles each for sm_80 and sm_90a, then looks into the machine code
  tools/check_sass.py --arch 90a kernels/conv2d.cu    for one architecture
  tools/check_sass.py build/kernels/libemo_kernels.a  what is compiled already: objects, libraries, cubins

Needs nvcc, cuobjdump and nvdisasm on PATH; tools/cuda_compiler.sh installs them. Exit code 1 for a fault, 2 for a wrong call.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """What kernels whose mangled name has `kernel` in it contain, on architectures that match `arch`."""

    kernel: str
    needs: tuple[str, ...] = ()  # beginnings of opcodes
    lacks: tuple[str, ...] = ()
    arch: str = "."


SPILLS = ("STL", "LDL")
RULES = (
    Rule(r"conv2d_kernelILNS_8MathTypeE[01]E", needs=("HMMA.16816.F32", "LDSM", "LDGSTS.E.BYPASS.128")),
    Rule(r"conv2d_kernelILNS_8MathTypeE2E", needs=("HMMA.1688.F32.TF32", "LDSM", "LDGSTS.E.BYPASS.128")),
    Rule(r"conv2d_kernelILNS_8MathTypeE3E", needs=("FFMA", "LDGSTS.E.BYPASS.128"), lacks=("HMMA", "HGMMA")),
    # A MEMBAR would be a release to the cluster, a wait for memory at every step.
    Rule(r"conv2d_wgmma_kernel", arch="^90a$", needs=("HGMMA.64x", "UTMALDG.5D", "UTMALDG.2D"),
         lacks=("HMMA", "LDGSTS", "MEMBAR")),
    Rule(r"conv2d_wgmma_kernelILNS_8MathTypeE[01]ELi[01]E", arch="^90a$", needs=("UTMALDG.2D.MULTICAST",)),
    Rule(r"conv2d_wgmma_kernelILNS_8MathTypeE[01]ELi0E", arch="^90a$", needs=("UTMALDG.5D.MULTICAST",)),
)


@dataclass
class Kernel:
    name: str
    arch: str
    code: list[tuple[int, str]] = field(default_factory=list)  # address, instruction with its predicate
    local_bytes: int = 0  # stack frame and local memory
    registers: int = 0

    @property
    def opcodes(self) -> list[str]:
        return [re.sub(r"^@!?U?P\w+\s+", "", text).split()[0] for _, text in self.code]


def parse(listing: str) -> list[Kernel]:
    """The kernels of what `cuobjdump -sass -res-usage` printed."""
    kernels: dict[tuple[str, str], Kernel] = {}
    arch, current = "", None
    for line in listing.splitlines():
        if match := re.match(r"(?:\s*code for|arch =) sm_(\w+)", line):
            arch = match[1]
        elif match := re.match(r"\s*Function\s*:?\s*(\w+):?\s*$", line):
            current = kernels.setdefault((match[1], arch), Kernel(match[1], arch))
        elif current and (match := re.match(r"\s*REG:(\d+) STACK:(\d+) .*LOCAL:(\d+)", line)):
            current.registers = int(match[1])
            current.local_bytes = int(match[2]) + int(match[3])
        elif current and (match := re.match(r"\s*/\*([0-9a-f]{4,})\*/\s+((?:@!?U?P\w+\s+)?[A-Z][^;]*)", line)):
            current.code.append((int(match[1], 16), match[2].strip()))
    return list(kernels.values())


def faults_of(kernels: list[Kernel], rules: tuple[Rule, ...] = RULES) -> list[str]:
    """One sentence for each thing that is wrong."""
    faults = []

    def count(kernel: Kernel, beginning: str) -> int:
        return sum(opcode == beginning or opcode.startswith(beginning) for opcode in kernel.opcodes)

    for k in kernels:
        where = f"{k.name} for sm_{k.arch}"
        if not k.opcodes:
            faults.append(f"{where}: has no instructions in the listing")
        spilt = sum(opcode.split(".")[0] in SPILLS for opcode in k.opcodes)
        if spilt or k.local_bytes:
            faults.append(f"{where}: {spilt} accesses to {k.local_bytes} bytes of local memory; no kernel may spill")
        for rule in rules:
            if not re.search(rule.kernel, k.name) or not re.search(rule.arch, k.arch):
                continue
            faults += [f"{where}: has no {b}" for b in rule.needs if not count(k, b)]
            faults += [f"{where}: has {count(k, b)} {b}, and should have none" for b in rule.lacks if count(k, b)]
    return faults


def unused_of(kernels: list[Kernel], rules: tuple[Rule, ...] = RULES) -> list[str]:
    """A rule that no kernel falls under checks nothing."""
    return [f"no kernel is called {r.kernel}; change the rule with the name" for r in rules
            if not any(re.search(r.kernel, k.name) and re.search(r.arch, k.arch) for k in kernels)]


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"check_sass: {' '.join(command)} failed:\n{result.stderr}")
    return result.stdout


def listing_of(path: str) -> str:
    return run("cuobjdump", "-sass", path) + run("cuobjdump", "-res-usage", path)


def compiled(source: str, arch: str, folder: str) -> str:
    cubin = os.path.join(folder, f"{pathlib.Path(source).stem}.{arch}.cubin")
    run("nvcc", "-std=c++20", "-O3", "-I.", f"-gencode=arch=compute_{arch},code=sm_{arch}", "-cubin", "-o", cubin, source)
    return cubin


def kernels_of(paths: list[str], archs: list[str], keep: str | None = None) -> list[Kernel]:
    """The kernels of sources, compiled for each architecture, and of what is compiled already. Cubins stay in `keep`."""
    if keep:
        os.makedirs(keep, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compiled, p, a, keep or scratch) for p in paths if p.endswith(".cu") for a in archs]
        files = [job.result() for job in jobs] + [p for p in paths if not p.endswith(".cu")]
        return [kernel for listing in pool.map(listing_of, files) for kernel in parse(listing)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", action="append", help="architecture, without sm_; 80 and 90a unless told")
    parser.add_argument("--keep", help="folder in which the cubins stay, for tools/roofline.py")
    parser.add_argument("--every-rule", action="store_true", help="each rule must have a kernel: all of them are given")
    parser.add_argument("files", nargs="+", help="sources (.cu), objects, libraries, cubins")
    options = parser.parse_args()
    for tool in ("nvcc", "cuobjdump", "nvdisasm"):
        if not shutil.which(tool):
            parser.error(f"{tool} is not on PATH; tools/cuda_compiler.sh installs it")
    kernels = kernels_of(options.files, options.arch or ["80", "90a"], options.keep)
    faults = faults_of(kernels) + (unused_of(kernels) if options.every_rule else [])
    for fault in faults:
        print(f"check_sass: {fault}", file=sys.stderr)
    archs = " and ".join(sorted({f"sm_{k.arch}" for k in kernels}))
    print(f"check_sass: {len(kernels)} kernels for {archs}, {len(faults)} faults")
    return 1 if faults or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
