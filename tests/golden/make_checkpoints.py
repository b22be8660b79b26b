#!/usr/bin/env python3
"""Makes tests/golden/checkpoints/ (tiny PyTorch checkpoints, what their tensors are, hostile files), the generators'
goldens tests/golden/generator_LAYOUT.safetensors and the seeds of the checkpoint fuzzer.

Needs torch and safetensors. Seeded: a second run gives the same tensors (legacy files name storages by address, so their
bytes differ). A generator's golden is computed in fp64 from the fp32 weights of checkpoints/LAYOUT.pth.
"""
import argparse
import datetime
import io
import json
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import safetensors.torch
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "checkpoints"
SEEDS = HERE.parent / "fuzz" / "corpus" / "checkpoint"
AUS = 17


class Block(nn.Module):
    def __init__(self, filters, name, norm, bias):
        super().__init__()
        self.name = name
        conv = lambda: nn.Conv2d(filters, filters, 3, 1, 1, bias=bias)
        setattr(self, name, nn.Sequential(conv(), norm(filters), nn.ReLU(), conv(), norm(filters)))

    def forward(self, x):
        return x + getattr(self, self.name)(x)


class Generator(nn.Module):
    """The network of Pumarola et al. 2018 with the names, norms and biases of one of its three layouts."""

    NAMES = {  # trunk, inside a block, colour, mask
        "albertpumarola": ("main", "main", "img_reg", "attetion_reg"),
        "donydchen": ("model", "conv_block", "color_top", "au_top"),
        "vipermu": ("main", "main", "im_reg", "im_att"),
    }

    def __init__(self, layout, width, blocks):
        super().__init__()
        self.names = self.NAMES[layout]
        trunk, inside, colour, mask = self.names
        bias = layout == "donydchen"
        norm = lambda c: nn.InstanceNorm2d(c, affine=layout != "donydchen", track_running_stats=layout == "vipermu")
        step = lambda conv, c: [conv, norm(c), nn.ReLU()]
        w = width
        layers = step(nn.Conv2d(3 + AUS, w, 7, 1, 3, bias=bias), w)
        debug = [len(layers)]
        for c in (w, 2 * w):
            layers += step(nn.Conv2d(c, 2 * c, 4, 2, 1, bias=bias), 2 * c)
        debug.append(len(layers))
        layers += [Block(4 * w, inside, norm, bias) for _ in range(blocks)]
        debug.append(len(layers))
        for c in (4 * w, 2 * w):
            layers += step(nn.ConvTranspose2d(c, c // 2, 4, 2, 1, bias=bias), c // 2)
        debug.append(len(layers))
        if layout == "vipermu":  # the same modules once more, under other names
            for i, end in enumerate(debug):
                setattr(self, f"debug{i + 1}", nn.Sequential(*layers[:end]))
        setattr(self, trunk, nn.Sequential(*layers))
        setattr(self, colour, nn.Sequential(nn.Conv2d(w, 3, 7, 1, 3, bias=False), nn.Tanh()))
        setattr(self, mask, nn.Sequential(nn.Conv2d(w, 1, 7, 1, 3, bias=False), nn.Sigmoid()))
        for p in self.parameters():  # livelier than the authors' 0.02, so that no layer vanishes in a golden
            nn.init.normal_(p, 0.0 if p.dim() > 1 else 0.5, (2.0 / p[0].numel()) ** 0.5 if p.dim() > 1 else 0.3)
        for module in self.modules():
            if isinstance(module, nn.InstanceNorm2d) and module.track_running_stats:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)

    def forward(self, face, au):
        """(out, mask, colour), the face kept where the mask is 1: as in all three projects."""
        trunk, _, colour, mask = (getattr(self, n, None) for n in self.names)
        planes = au[:, :, None, None].expand(-1, -1, *face.shape[2:])
        features = trunk(torch.cat([face, planes], dim=1))
        m, c = mask(features), colour(features)
        return m * face + (1 - m) * c, m, c

    def canonical(self):
        """Its tensors under the names of a weight file, found by walking the modules and not by their keys."""
        trunk, inside, colour, mask = (getattr(self, n, n) for n in self.names)
        tensors = {"img_reg.0.weight": colour[0].weight, "attetion_reg.0.weight": mask[0].weight}

        def add(name, module):
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                tensors[f"{name}.weight"] = module.weight
            elif isinstance(module, nn.InstanceNorm2d) and module.affine:
                tensors[f"{name}.weight"], tensors[f"{name}.bias"] = module.weight, module.bias

        for i, module in enumerate(trunk):
            add(f"main.{i}", module)
            if isinstance(module, Block):
                for j, part in enumerate(getattr(module, module.name)):
                    add(f"main.{i}.main.{j}", part)
        return {name: t.detach().contiguous() for name, t in tensors.items()}


def save(name, what, **options):
    torch.save(what, OUT / name, **options)


def generators():
    for seed, layout in enumerate(Generator.NAMES):
        torch.manual_seed(100 + seed)
        net = Generator(layout, width=4, blocks=1)
        state = net.state_dict()
        nested = {
            "albertpumarola": state,
            "donydchen": {"epoch": 30, "net_G": OrderedDict((f"module.{k}", v) for k, v in state.items())},
            "vipermu": {"lr": 1e-4, "G": state, "D": nn.Conv2d(3, 2, 4).state_dict(), "options": ["resume", None]},
        }[layout]
        save(f"{layout}.pth", nested)

        face = torch.rand(2, 3, 16, 16) * 2 - 1
        au = torch.rand(2, AUS)
        with torch.no_grad():  # in training mode: InstanceNorm on the picture's own statistics, as all three run it
            out, mask, colour = net.double()(face.double(), au.double())
            if layout == "donydchen":  # a constant before an InstanceNorm changes nothing
                for m in net.modules():
                    if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) and m.bias is not None:
                        m.bias.zero_()
                assert (net(face.double(), au.double())[0] - out).abs().max() < 1e-12
        golden = {"face": face, "au": au, "out": out.float(), "mask": mask.float(), "colour": colour.float()}
        safetensors.torch.save_file({k: v.contiguous() for k, v in golden.items()}, HERE / f"generator_{layout}.safetensors")

        dtype = {"albertpumarola": torch.float64, "donydchen": torch.float16, "vipermu": torch.bfloat16}[layout]
        small = Generator(layout, width=1, blocks=2).to(dtype)
        wrapped = {"state_dict": small.state_dict(), "optimizer": torch.optim.Adam(small.parameters()).state_dict()}
        save(f"{layout}_legacy.pth", wrapped, _use_new_zipfile_serialization=False)
        safetensors.torch.save_file(small.canonical(), OUT / f"{layout}_legacy.safetensors")


def views():
    torch.manual_seed(7)
    base = torch.randn(6, 8)
    tensors = OrderedDict(
        base=base, transposed=base.t(), row=base[2], block=base[1:4, 2:7], every_second=base[:, ::2],
        permuted=torch.randn(2, 3, 4).permute(2, 0, 1), expanded=torch.randn(3, 1).expand(3, 5),
        unit_extent=torch.randn(4, 1, 2).transpose(0, 1), scalar=torch.tensor(3, dtype=torch.int64),
        parameter=nn.Parameter(torch.randn(2, 2)), f64=torch.randn(3, dtype=torch.float64), f16=torch.randn(5).half(),
        bf16=torch.randn(5).bfloat16(), i64=torch.arange(-2, 3), i32=torch.arange(4, dtype=torch.int32),
        u8=torch.arange(7, dtype=torch.uint8), flag=torch.tensor([True, False, True]))
    shared = {"a": tensors, "b": {"again": base, "list": [base], 3: base, "size": base.shape, "lr": 0.5}}
    save("views.pth", shared)
    save("views_protocol4.pth", shared, pickle_protocol=4)
    save("views_legacy.pth", shared, _use_new_zipfile_serialization=False)
    flat = {f"a/{k}": v.detach() for k, v in tensors.items()} | {"b/again": base}
    as_byte = lambda t: t.byte() if t.dtype == torch.bool else t
    safetensors.torch.save_file({k: as_byte(v).contiguous().clone() for k, v in flat.items()}, OUT / "views.safetensors")


def with_attributes(data):
    """A Parameter with an attribute of its own, which torch saves by another function."""
    parameter = nn.Parameter(data)
    parameter.tag = "warm"
    return parameter


def objects():
    """What people save beside their weights; each is one seed of the fuzzer too. The tensors are those of objects.safetensors."""
    torch.manual_seed(9)
    state = OrderedDict(weight=torch.randn(2, 3), bias=with_attributes(torch.randn(3)))
    strange = dict(
        int8=torch.arange(4, dtype=torch.int8), int16=torch.arange(4, dtype=torch.int16), complex=torch.ones(2, dtype=torch.complex64),
        sparse=torch.eye(3).to_sparse(), quantized=torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8))
    beside = dict(
        best=np.float64(0.5), losses=np.arange(3.0), options=argparse.Namespace(lr=1e-4, gpu=[0, 1]), folder=pathlib.PurePosixPath("a/b"),
        when=datetime.datetime(2024, 5, 6), device=torch.device("cpu"), dtype=torch.float16, names={"a", "b"}, frozen=frozenset([1]),
        sizes=defaultdict(list, {"weight": [2, 3]}), raw=b"bytes", more=bytearray(b"more"), big=1 << 80, tuple4=(1, 2, 3, 4), function=len)
    everything = {"state_dict": state, **beside, "strange": strange}
    save("objects.pth", everything)
    save("objects_protocol5.pth", everything, pickle_protocol=5)
    simple = {name: strange[name] for name in ("int8", "int16", "complex")}
    save("objects_legacy.pth", {**everything, "strange": simple}, _use_new_zipfile_serialization=False)
    safetensors.torch.save_file({f"state_dict/{k}": v.detach().contiguous() for k, v in state.items()}, OUT / "objects.safetensors")
    for name, value in {**beside, **strange, "parameter": state["bias"]}.items():
        torch.save({"w": torch.ones(1), name: value}, SEEDS / name)
    torch.save({"w": torch.ones(1), **beside}, SEEDS / "protocol5", pickle_protocol=5)
    torch.save({"w": torch.ones(1), "int8": strange["int8"]}, SEEDS / "int8_legacy", _use_new_zipfile_serialization=False)


def speech():
    torch.manual_seed(8)
    lstm, fc, emotion = nn.LSTM(13, 5, num_layers=2, bidirectional=True), nn.Linear(10, AUS), nn.Linear(10, 7)
    net = nn.ModuleDict({"rnn": nn.ModuleDict({"lstm": lstm}), "head": nn.Sequential(nn.Dropout(0.1), fc), "emotion": emotion})
    save("speech.pth", {"model": net.state_dict()})
    names = {f"lstm.{k}": v for k, v in lstm.state_dict().items()} | {"fc.weight": fc.weight, "fc.bias": fc.bias}
    safetensors.torch.save_file({k: v.detach().contiguous() for k, v in names.items()}, OUT / "speech.safetensors")
    config = {"n_mfcc": 13, "feature_mean": [float(i) for i in range(13)], "feature_std": [2.0] * 13, "readout": "last"}
    (OUT / "speech.json").write_text(json.dumps(config) + "\n")


class System:
    def __reduce__(self):
        import os
        return os.system, ("echo this must never run",)


def torch_zip(path, state, storages=(), byteorder=b"little", compression=zipfile.ZIP_STORED):
    """A zip checkpoint from its parts, as torch.save would never write it."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", state)
        archive.writestr("x/byteorder", byteorder)
        for key, data in storages:
            archive.writestr(f"x/data/{key}", data)


def tensor_pickle(shape, stride, offset=0, key="0", count=4):
    """{'w': a tensor} by hand, with any extents."""
    number = lambda n: b"\x8a\x08" + struct.pack("<q", n)
    numbers = lambda ns: b"(" + b"".join(map(number, ns)) + b"t"
    text = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count) + b"tQ"
    tensor = b"(" + storage + number(offset) + numbers(shape) + numbers(stride) + b"\x89)t"
    return b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n" + tensor + b"Rs."


def hostile():
    folder = OUT / "hostile"
    torch.save({"w": System()}, folder / "os_system.pth")
    torch.save({"w": System()}, folder / "os_system_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"w": System()}, folder / "os_system_protocol4.pth", pickle_protocol=4)
    torch.save(nn.Linear(2, 2), folder / "whole_module.pth")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), folder / "torchscript.pt")
    data = [("0", struct.pack("<4f", 1, 2, 3, 4))]
    torch_zip(folder / "outside.pth", tensor_pickle([5], [1]), data)
    torch_zip(folder / "outside_offset.pth", tensor_pickle([1], [1], offset=4), data)
    torch_zip(folder / "outside_stride.pth", tensor_pickle([2, 2], [1, 3]), data)
    torch_zip(folder / "negative_stride.pth", tensor_pickle([2], [-1], offset=1), data)
    torch_zip(folder / "overflow.pth", tensor_pickle([2**33, 2**33], [0, 0]), data)
    torch_zip(folder / "wraps_round.pth", tensor_pickle([3, 3], [2**62, 2**62]), data)
    torch_zip(folder / "short_storage.pth", tensor_pickle([8], [1], count=8), data)
    torch_zip(folder / "no_storage.pth", tensor_pickle([4], [1], key="../0"), data)
    torch_zip(folder / "big_endian.pth", tensor_pickle([4], [1]), data, byteorder=b"big")
    torch_zip(folder / "compressed.pth", tensor_pickle([4], [1]), data, compression=zipfile.ZIP_DEFLATED)
    loop = {}
    loop["self"] = loop
    torch.save(loop, folder / "recursion.pth")
    tree = {"w": 1}
    for _ in range(14):  # 8^14 paths from 15 dictionaries
        tree = {str(i): tree for i in range(8)}
    torch.save(tree, folder / "many_paths.pth")
    torch.save({"epoch": 3}, folder / "no_tensors.pth")
    int8_layer = {"img_reg.0.weight": torch.ones(1), "main.0.weight": torch.ones(1, dtype=torch.int8)}
    torch.save(int8_layer, folder / "int8_layer.pth")


def seeds():
    tiny = OrderedDict(w=torch.ones(2, 3), n=torch.tensor(1))
    torch.save({"state_dict": tiny}, SEEDS / "zip")
    torch.save({"state_dict": tiny}, SEEDS / "legacy", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": tiny, "v": tiny["w"].t()}, SEEDS / "protocol4", pickle_protocol=4)
    safetensors.torch.save_file({"w": tiny["w"]}, SEEDS / "safetensors")
    torch_zip(SEEDS / "bare", tensor_pickle([2, 2], [1, 2]), [("0", struct.pack("<4f", 1, 2, 3, 4))])


if __name__ == "__main__":
    (OUT / "hostile").mkdir(parents=True, exist_ok=True)
    SEEDS.mkdir(parents=True, exist_ok=True)
    generators()
    views()
    speech()
    objects()
    hostile()
    seeds()
