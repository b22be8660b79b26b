#!/usr/bin/env python3
"""Predicts how long the generator takes on an H200, from its launches and the machine code of its kernels.

  tools/roofline.py --launches out/launches.jsonl out/sass/*.90a.cubin     prints the table
  tools/roofline.py ... --compare kernels/roofline.txt                     what differs from the committed one
  tools/roofline.py ... --write kernels/roofline.txt                       replaces that

The launches are what simt_list_launches printed: grids, shared memory and plans as the engine asked for them. Registers and
instructions are read from cubins for sm_90a. The model: of each kernel the cheapest path through its control flow that has the
instructions its launch must run (RULES), loops repeated as often as the launch says, issued in order by one warp that shares
its scheduler and its pipes with all others on the multiprocessor. A kernel takes the longest of that, times its waves, and of
its bytes from memory and from the second level cache. A prediction, to be checked against a card: +-25 %.
"""

import argparse
import collections
import difflib
import json
import math
import pathlib
import re
import sys
from dataclasses import dataclass, field

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_sass  # noqa: E402

# One constant a line; a measurement on a card changes them and nothing else does.
MULTIPROCESSORS = 132       # H200 data sheet
CLOCK_HZ = 1.8e9            # between the 1.7 GHz under load and the 1.98 GHz of the data sheet
DRAM_BYTES_S = 4.2e12       # 4.8 TB/s of the data sheet, 88 % of which copies reach
L2_BYTES_S = 6e12           # from the second level cache to all multiprocessors; published microbenchmarks give 5.5 to 7
L2_PORT_BYTES = 64          # a clock, to one multiprocessor
L2_KEEPS_BYTES = 25e6       # half of 50 MB: a larger tensor has left the cache before its reader comes
SMEM_BYTES = 128            # of shared memory a clock
REGISTERS, SMEM_KIB, WARPS = 65536, 227, 64  # of a multiprocessor, CUDA programming guide
WGMMA_SHARE = 0.85          # of 2048 multiply-adds a clock: cuBLAS reaches some 800 of 989 TFLOP/s under its power limit
MMA_SHARE = 0.62            # mma.sync of the same peak, published microbenchmarks
START_US = 1.0              # a grid's first blocks start, its last ones drain
GAP_US = 0.9                # between two kernels of a graph; 0.3 with programmatic dependent launch
GAP_EARLY_US = 0.3
# Clocks from issue to use, and what some instructions wait. Published microbenchmarks of Hopper, rounded.
LATENCY = {"L2": 300, "DRAM": 700, "copy": 700, "smem": 30, "shuffle": 25, "mufu": 20, "mma": 33}
WAITS = ((r"ATOM", 700), (r"MEMBAR", 500), (r"BAR\.SYNC", 30), (r"UCGABAR", 200))
# Pipes: opcodes, clocks of a scheduler for a warp's instruction. Where it depends on the width, clocks_of counts.
PIPES = ((r"MUFU", "mufu", 8), (r"IMAD|IMUL|I2F|F2I|F2F|I2I", "half rate", 2), (r"SHFL", "shuffle", 4),
         (r"HGMMA", "tensor", 0), (r"HMMA", "mma", 16 * 8 * 16 / 512 / MMA_SHARE), (r"LDG|STG", "l2", 0),
         (r"LDS|STS", "smem", 0))
CLASSES = (("tensor", r"HMMA|HGMMA"), ("float", r"F[A-Z]|MUFU|H[A-Z]"), ("memory", r"LD|ST|UTMA|ATOM|RED|CCTL|MEMBAR|SYNCS"),
           ("integer", r"I|LEA|LOP|SHF|UI|ULEA|ULOP|USHF|VI|PRMT|SEL|MOV|UMOV|CS2R|S2|R2"))


@dataclass
class Block:
    """Instructions without a branch between them."""

    code: list[str] = field(default_factory=list)
    next: list[int] = field(default_factory=list)
    trips: float = 1


def opcode(text: str) -> str:
    return re.sub(r"^@!?U?P\w+\s+", "", text).split()[0]


def blocks_of(code: list[tuple[int, str]]) -> list[Block]:
    """The control flow graph. Calls (of the slow path of a division) come back; BRA.DIV is for warps that have diverged."""

    def target(text: str) -> int | None:
        name = opcode(text)
        match = re.search(r"0x([0-9a-f]+)\W*$", text)
        return int(match[1], 16) if match and name.startswith("BRA") and ".DIV" not in name else None

    def ends(text: str) -> bool:
        return opcode(text).split(".")[0] in ("BRA", "EXIT", "RET", "BRX")

    starts = {code[0][0]} | {t for _, text in code if (t := target(text)) is not None}
    starts |= {after for (_, text), (after, _) in zip(code, code[1:]) if ends(text)}
    index = {address: i for i, address in enumerate(sorted(starts))}
    blocks = [Block() for _ in index]
    at = 0
    for address, text in code:
        at = index.get(address, at)
        blocks[at].code.append(text)
    for i, block in enumerate(blocks):
        last = block.code[-1]
        conditional = last.startswith("@") or re.search(r"\bBRA[.\w]* !?U?P\d", last)
        if (to := target(last)) is not None:
            block.next.append(index[to])
        if (not ends(last) or conditional or ".DIV" in opcode(last)) and i + 1 < len(blocks):
            block.next.append(i + 1)
    return blocks


def loops_of(blocks: list[Block]) -> list[tuple[int, set[int]]]:
    """Natural loops: (header, its blocks); back edges come out of the graph, and the last block of a loop may leave it."""
    reached, todo = {0}, [0]
    before = collections.defaultdict(set)
    while todo:
        i = todo.pop()
        for j in blocks[i].next:
            before[j].add(i)
            if j not in reached:
                reached.add(j)
                todo.append(j)
    dominators = {i: reached.copy() for i in reached}
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for i in sorted(reached - {0}):
            new = set.intersection(*(dominators[j] for j in before[i])) | {i}
            changed = changed or new != dominators[i]
            dominators[i] = new
    loops: dict[int, set[int]] = {}
    for i in sorted(reached):
        block = blocks[i]
        for header in [j for j in block.next if j in dominators[i]]:
            inside, todo = {header, i}, [i] if i != header else []
            while todo:
                for j in before[todo.pop()] - inside:
                    inside.add(j)
                    todo.append(j)
            loops.setdefault(header, set()).update(inside)
            block.next = [j if j != header else -header - 1 for j in block.next]
    for header, inside in loops.items():
        exits = {j for i in inside for j in blocks[i].next if j not in inside and j >= 0}
        for i in inside:
            if -header - 1 in blocks[i].next:
                blocks[i].next = sorted({j for j in blocks[i].next if j >= 0} | exits)
    return sorted(loops.items())


def path_of(blocks: list[Block], needs: list[str], lacks: list[str] = ()) -> list[int]:
    """The cheapest way from the first block to an EXIT over all opcodes that it needs: "OP*" inside a loop, "OP+" wherever
    there is one and a way to it, "OP^" where there are most of them side by side, as in a loop that was unrolled."""
    every = [need[:-1] for need in needs if need.endswith("+")]
    most = [need[:-1] for need in needs if need.endswith("^")]
    needs = [need for need in needs if need[-1] not in "+^"]

    def has(i: int, pattern: str) -> bool:
        in_loop = pattern.endswith("*")
        if in_loop and blocks[i].trips <= 1:
            return False
        return any(re.match(pattern.removesuffix("*"), opcode(text)) for text in blocks[i].code)

    features = [sum(has(i, need) << k for k, need in enumerate(needs)) for i in range(len(blocks))]
    wanted = {i for i in range(len(blocks)) for pattern in every if has(i, pattern)}
    for pattern in most:
        counts = [sum(bool(re.match(pattern, opcode(text))) for text in block.code) for block in blocks]
        wanted |= {i for i, count in enumerate(counts) if count == max(counts)}
    price_of = [len(block.code) * block.trips - 1e6 * (i in wanted) for i, block in enumerate(blocks)]
    closed = [any(has(i, pattern) for pattern in lacks) for i in range(len(blocks))]
    order, seen = [], set()

    def visit(first: int) -> None:
        stack = [(first, iter(blocks[first].next))]
        seen.add(first)
        while stack:
            i, rest = stack[-1]
            for j in rest:
                if j not in seen:
                    seen.add(j)
                    stack.append((j, iter(blocks[j].next)))
                    break
            else:
                order.append(i)
                stack.pop()

    visit(0)
    place = {i: k for k, i in enumerate(reversed(order))}
    best: dict[tuple[int, int], tuple[float, tuple[int, int] | None]] = {(0, features[0]): (0.0, None)}
    for i in sorted(place, key=place.get):
        for (_, mask), (cost, _) in [(k, v) for k, v in best.items() if k[0] == i]:
            for j in blocks[i].next:
                if place[j] <= place[i] or closed[j]:
                    continue  # what is left of a loop with two entries
                key = (j, mask | features[j])
                price = cost + price_of[i]
                if key not in best or price < best[key][0]:
                    best[key] = (price, (i, mask))
    full = (1 << len(needs)) - 1
    ends = [(cost, key) for key, (cost, _) in best.items() if key[1] == full and opcode(blocks[key[0]].code[-1]) == "EXIT"]
    if not ends:
        raise ValueError(f"no path has all of {', '.join(needs)}")
    key, path = min(ends)[1], []
    while key:
        path.append(key[0])
        key = best[key][1]
    return path[::-1]


def width(name: str) -> int:
    """Bytes of a thread's memory access."""
    match = re.search(r"\.(?:U|S)?(8|16|64|128)\b", name)
    return int(match[1]) // 8 if match else 4


def clocks_of(blocks: list[Block], path: list[int], warps: float, far: str, l2_clocks_a_byte: float,
              splits: int = 1) -> tuple[float, float]:
    """Clocks from the first to the last instruction of the path while `warps` are on each scheduler; and how long the fullest
    pipe is busy meanwhile. A stretch that runs equally often takes what one warp needs, in order and waiting for operands and
    pipes, or what all together need of the fullest pipe. After the counter of the splits one block of so many goes on."""
    total, now, copied = 0.0, 0.0, False
    ready: dict[int, float] = {}
    busy: collections.Counter = collections.Counter()
    free: collections.Counter = collections.Counter()
    stretch: collections.Counter = collections.Counter()
    begin = 0.0
    for i, after in zip(path, path[1:] + [-1]):
        for text in blocks[i].code:
            name = opcode(text)
            registers = [int(r) for r in re.findall(r"\bR(\d+)\b", text)]
            start = max([now] + [ready.get(r, 0) for r in registers])
            pipe, occupied, latency = next(((p, c, LATENCY.get(p, 0)) for o, p, c in PIPES if re.match(o, name)), ("", 0, 0))
            if match := re.match(r"HGMMA\.64x(\d+)", name):  # the four warps of a group at one time
                occupied = 64 * int(match[1]) * 16 / 2048 / WGMMA_SHARE
            elif re.match(r"LDG|STG", name):  # LDGSTS too
                occupied = 4 * 32 * width(name) * l2_clocks_a_byte
                latency = LATENCY[far] if name.startswith("LDG.") else 0
            elif re.match(r"LDS|STS", name):
                occupied = 4 * 32 * (16 if name.startswith("LDSM") else width(name)) / SMEM_BYTES
            for what, clocks in WAITS:
                start += clocks if re.match(what, name) else 0
            if re.match(r"SYNCS\.PHASECHK|DEPBAR", name) and not copied:  # later copies are on their way meanwhile
                copied = True
                total += LATENCY["copy"]
            if name.startswith("ATOMG") and splits > 1:
                warps, l2_clocks_a_byte = max(warps / splits, 1.0), max(l2_clocks_a_byte / splits, 1 / L2_PORT_BYTES)
            if pipe:
                done = free[pipe] = max(start, free[pipe]) + occupied
                stretch[pipe] += warps * occupied
                if latency and registers:
                    words = max(1, width(name) // 4) if name.startswith(("LDG", "LDS")) else 4 if pipe == "mma" else 1
                    ready.update(dict.fromkeys(range(registers[0], registers[0] + words), done + latency))
            stretch["issue"] += warps
            now = start + 1
        if after < 0 or blocks[after].trips != blocks[i].trips:
            total += max([now - begin] + list(stretch.values())) * blocks[i].trips
            for pipe, clocks in stretch.items():
                busy[pipe] += clocks * blocks[i].trips
            stretch.clear()
            begin = now = max([now] + list(free.values()))
    return total, max(busy.values())


@dataclass(frozen=True)
class Rule:
    """A launch's kernel: a pattern of its mangled name, opcodes on its path, and how often a loop with an opcode runs."""

    kernel: str
    needs: list[str]
    trips: list[tuple[str, float]] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    totals: list[tuple[str, float]] = field(default_factory=list)  # of a warp, in loops: what trips are corrected to
    hits: float = 0  # share of the loads that the first level cache answers


TILES = ((128, 128), (128, 64), (64, 64), (128, 32))                     # kConvTiles: BM, BN
WARPS_OF_TILE = (8, 4, 4, 4)
WGMMA_TILES = ((128, 2, 2), (128, 2, 1), (128, 1, 1), (64, 1, 1), (32, 1, 1))  # kWgmmaTiles: BN, cluster


def steps_of(row: dict) -> tuple[int, int, int]:
    """Steps of 128 bytes along K, chunks, steps of a chunk; as conv2d_cut.h has them."""
    steps = math.ceil(row["taps"] * row["C_in"] * 2 / 128)
    chunk = math.ceil(steps / math.ceil(steps / 12))
    return steps, math.ceil(steps / chunk), chunk


def rule_of(launch: dict) -> Rule:
    row, kernel = launch["row"], launch["kernel"]
    steps, chunks, chunk_steps = steps_of(row)
    if kernel == "conv2d":
        BM, BN = TILES[row["tile"]]
        threads = 32 * WARPS_OF_TILE[row["tile"]]
        split = row["splits"] > 1
        needs = ["HMMA*", "LDGSTS*", r"LDS\.128*"] + ([r"STG\.E\.128$"] if row["head"] else ["SHFL*"])
        needs += [r"LDG\.E\.128\.STRONG", r"STG\.E\.128\.STRONG", "ATOMG"] if split else []
        lacks = ([] if split else ["ATOMG", r"LDG\.E\.128\.STRONG"]) + ([] if row["head"] else [r"STG\.E\.128$"])
        return Rule(f"conv2d_kernelILNS_8MathTypeE0ELi{row['tile']}E", needs,
                    [("HMMA", chunk_steps), (r"LDG\.E\.128\.STRONG", chunks),
                     (r"LDS\.128", BM * BN / 4 / threads), ("SHFL", BM / 64 * BN / 8 / (threads / 32)),
                     (r"STG\.E\.128\.STRONG", chunks / row["splits"])], lacks,
                    [("HMMA", steps / row["splits"] * BM * BN / threads),
                     ("LDGSTS", steps / row["splits"] * (BM + BN) * 8 / threads)])
    if kernel == "conv2d wgmma":
        BN = WGMMA_TILES[row["tile"]][0]
        store = {128: r"STG\.E\.128$", 64: r"STG\.E\.64$", 32: r"STG\.E$"} if row["head"] else \
                {128: r"STG\.E\.64$", 64: r"STG\.E$", 32: r"STG\.E\.U16$"}
        needs = [f"HGMMA.64x{BN}*", store[BN] + "+"] + ([] if row["head"] else ["FFMA"])
        return Rule(f"conv2d_wgmma_kernelILNS_8MathTypeE0ELi{row['tile']}E", needs, [("HGMMA", steps)], [],
                    [("HGMMA", 4 * steps)])
    if kernel == "instance_norm":
        quads = row["C_out"] / 4
        rounds = math.ceil(row["pixels"] * row["parities"] / launch["grid"][0] / max(256 // quads, 1))
        merged = launch["smem"] > 0
        needs = [r"STG\.E\.64$*", r"STG\.E\.64$+"] + ([r"LDG\.E\.64$+"] if merged or row["adds"] else [])
        return Rule("instance_norm_kernelI6__halfS2_" + ("NS0_8Unmerged" if merged else "PKNS_16Norm"),
                    needs + (["MUFU.RSQ", "STS"] if merged else []),
                    [(r"STG\.E\.64$", rounds), ("MUFU.RSQ", row["C_out"] / 256)], [], [(r"STG\.E\.64$", rounds)])
    if kernel == "merge_moments":
        return Rule("merge_moments_kernel", [r"LDG\.E\.64$+", "MUFU.RSQ", "STG"],
                    hits=1 - min(1, row["strips"] / 256))  # loads of strips that are not there
    if kernel == "fold_aus":  # 17 AUs, an intensity and a weight each
        return Rule("fold_aus_kernel", ["LDG*", "LDG^", "STG"], [("LDG", 2)], [], [("LDG", 2 * 17)])
    if kernel == "unfold_rows":
        return Rule("unfold_rows_kernelI6__half", ["LDG", "STG"], hits=6 / 7)  # of a row's 7 readers
    return Rule("heads_kernel", [r"LDG\.E\.128$^", "MUFU.EX2+", "STG+"], [], [], [(r"LDG\.E\.128$", 7)])


def set_trips(blocks: list[Block], rule: Rule) -> None:
    """How often each block runs: of the loops around it, each with the first pattern that its inner loops do not have."""
    loops = loops_of(blocks)

    def count(inside: set[int], pattern: str) -> int:
        return sum(bool(re.match(pattern, opcode(text))) for i in inside for text in blocks[i].code)

    taken: dict[int, set[str]] = collections.defaultdict(set)
    for header, inside in sorted(loops, key=lambda loop: len(loop[1])):
        inner = [h for h, other in loops if other < inside]
        for pattern, trips in rule.trips:
            found = count(inside, pattern)
            if not found or any(pattern in taken[h] for h in inner):
                continue
            taken[header].add(pattern)
            for i in inside:
                blocks[i].trips *= trips
            break
        taken[header].update(*(taken[h] for h in inner))


@dataclass
class Prediction:
    us: float
    bound: str
    blocks: int
    resident: int
    waves: int
    registers: int
    instructions: dict[str, float]
    l2_bytes: float
    dram_bytes: float
    trace: tuple


def dram_bytes_of(launch: dict) -> float:
    row, kernel = launch["row"], launch["kernel"]
    outputs = row["pixels"] * row["parities"] * row["C_out"] * row["N"]
    parts = {
        "unfold_rows": [row["N"] * 3 * row["pixels"] * 4, row["in_bytes"]],
        "conv2d": [row["in_bytes"], row["sums_bytes"]],
        "conv2d wgmma": [row["in_bytes"], row["sums_bytes"]],
        "instance_norm": [row["sums_bytes"], outputs * 2] + [outputs * 2] * row["adds"],
        "heads": [row["sums_bytes"]] + [row["N"] * row["pixels"] * 12] * 3,
    }.get(kernel, [])
    return sum(part for part in parts if part > L2_KEEPS_BYTES)


def predict(launch: dict, kernel: check_sass.Kernel) -> Prediction:
    rule = rule_of(launch)
    blocks = blocks_of(kernel.code)
    set_trips(blocks, rule)
    path = path_of(blocks, rule.needs, rule.lacks)
    for pattern, total in rule.totals:
        found = {i: sum(bool(re.match(pattern, opcode(text))) for text in blocks[i].code) for i in path}
        counted = sum(found[i] * blocks[i].trips for i in path)
        inside = {blocks[i].trips for i in path if found[i]} - {1}
        for i in path:
            blocks[i].trips *= total / counted if blocks[i].trips in inside else 1
    row = launch["row"]
    grid, warps = math.prod(launch["grid"]), launch["threads"] // 32
    working = warps - (launch["kernel"] == "conv2d wgmma")  # the ninth warp fetches
    resident = int(min(REGISTERS // (math.ceil(kernel.registers / 8) * 8 * launch["threads"]),
                       SMEM_KIB * 1024 // (launch["smem"] + 1024), WARPS // warps, 32))
    share = grid / MULTIPROCESSORS
    at_once = min(resident, max(1.0, share))
    waves = math.ceil(share / resident) if share > resident else 1
    per_warp = collections.Counter()
    access, last = 0.0, False
    for i in path:
        for text in blocks[i].code:
            name = opcode(text)
            label = next((label for label, pattern in CLASSES if re.match(pattern, name)), "other")
            per_warp[label] += blocks[i].trips
            if re.match(r"LDG\b|LDG\.|STG|LDGSTS", name):
                access += 32 * width(name) * blocks[i].trips * (1 - rule.hits * name.startswith("LDG.")) / (row["splits"] if last else 1)
            last = last or name.startswith("ATOMG") and row["splits"] > 1
    l2 = access * warps * grid
    if launch["kernel"] == "conv2d wgmma":
        BN, cluster_m, cluster_n = WGMMA_TILES[row["tile"]]
        l2 += grid * steps_of(row)[0] * 128 * (128 / cluster_n + BN / cluster_m)
    dram = dram_bytes_of(launch)
    far = "DRAM" if dram else "L2"
    port = max(CLOCK_HZ / L2_BYTES_S * min(grid, MULTIPROCESSORS), 1 / L2_PORT_BYTES)
    if waves == 1:
        clocks, _ = clocks_of(blocks, path, working / 4 * at_once, far, port * (1 - rule.hits), row["splits"])
    else:  # blocks that start at different times fill each other's waits
        lone, busy = clocks_of(blocks, path, working / 4, far, (1 - rule.hits) / L2_PORT_BYTES)
        clocks = share / resident * max(lone, resident * busy)
    times = {"latency" if waves == 1 else "waves": clocks / CLOCK_HZ, "L2": l2 / L2_BYTES_S, "DRAM": dram / DRAM_BYTES_S}
    bound = max(times, key=times.get)
    return Prediction(START_US + 1e6 * times[bound], bound, grid, resident, waves, kernel.registers, dict(per_warp), l2, dram, (blocks, path))


def kernel_for(launch: dict, kernels: list[check_sass.Kernel]) -> check_sass.Kernel:
    pattern = rule_of(launch).kernel
    found = [k for k in kernels if re.search(pattern, k.name)]
    if len(found) != 1:
        sys.exit(f"roofline: {len(found)} kernels are called {pattern}, which {launch['kernel']} needs; give the cubins of all "
                 "kernels, or change rule_of with the name")
    return found[0]


HEAD = (f"{'N':>2}  {'layer':18} {'kernel':14} {'times':>5} {'blocks':>7} {'resident':>8} {'waves':>5} {'regs':>4} "
        f"{'tensor':>6} {'float':>6} {'int':>6} {'memory':>6} {'other':>6} {'L2 MB':>7} {'DRAM MB':>7} {'us':>7}  bound")


def table(launches: list[dict], kernels: list[check_sass.Kernel]) -> str:
    """A line for each kind of launch, instructions a warp, us for one; then the sum of each batch with its gaps."""
    lines = [HEAD]
    for N in sorted({launch["N"] for launch in launches}):
        of_batch = [launch for launch in launches if launch["N"] == N]
        kinds: dict[str, list[dict]] = {}
        for launch in of_batch:
            same = launch | {"row": {k: v for k, v in launch["row"].items() if k != "key"}}
            kinds.setdefault(json.dumps(same, sort_keys=True), []).append(launch)
        total = 0.0
        for group in kinds.values():
            p = predict(group[0], kernel_for(group[0], kernels))
            total += len(group) * p.us
            counts = " ".join(f"{p.instructions.get(label, 0):6.0f}" for label in
                              ("tensor", "float", "integer", "memory", "other"))
            lines.append(f"{N:2}  {group[0]['row']['key']:18} {group[0]['kernel']:14} {len(group):5} {p.blocks:7} {p.resident:8} "
                         f"{p.waves:5} {p.registers:4} {counts} {p.l2_bytes / 1e6:7.1f} {p.dram_bytes / 1e6:7.1f} {p.us:7.1f}  "
                         f"{p.bound}")
        gaps = sum(GAP_EARLY_US if launch["early"] else GAP_US for launch in of_batch[1:])
        lines.append(f"{N:2}  sum {total:.0f} us in {len(of_batch)} launches, gaps {gaps:.0f} us: {total + gaps:.0f} us, "
                     f"{(total + gaps) / N:.1f} us a face")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", required=True, help="what simt_list_launches printed")
    parser.add_argument("--compare", help="the committed table; exit code 1 when it differs")
    parser.add_argument("--write", help="where the table goes")
    parser.add_argument("cubins", nargs="+", help="kernels compiled for sm_90a")
    options = parser.parse_args()
    kernels = [k for path in options.cubins for k in check_sass.parse(check_sass.listing_of(path)) if k.arch == "90a"]
    launches = [json.loads(line) for line in pathlib.Path(options.launches).read_text().splitlines()]
    text = table(launches, kernels)
    if options.write:
        pathlib.Path(options.write).write_text(text)
    if not options.compare:
        print(text, end="")
        return 0
    committed = pathlib.Path(options.compare).read_text()
    difference = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), options.compare, "now", "", "", 0, ""))
    print("\n".join([HEAD] + difference) if difference else text, end="\n" if difference else "")
    if difference:
        print(f"roofline: {options.compare} is of other kernels; if the change is meant, write it anew with --write and say "
              "in the commit what it gained", file=sys.stderr)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
