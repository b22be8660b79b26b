#!/usr/bin/env bash
# Prints the folder of an nvcc, a cuobjdump and an nvdisasm of CUDA 13: PyPI's, which need neither a toolkit nor a GPU.
# Installed into out/cuda (300 MB) when called first. For tools/check_sass.py, not for programs: they need the whole toolkit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
  nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85  # headers
  nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-nvdisasm==13.5.37
)

if [[ ! -e out/cuda/complete ]]; then
  rm -rf out/cuda
  mkdir -p out
  python3 -m venv out/cuda
  out/cuda/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --retries 5 "${packages[@]}" >&2
  touch out/cuda/complete
fi
echo "$PWD"/out/cuda/lib/python3*/site-packages/nvidia/cu13/bin
