"""openvino_net: whether this CPU computes in int8 exactly is seen by trying."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from sagemaker_gluoncv_container.openvino_net import computes_int8; print(computes_int8())"
HAS_VNNI = {"avx512_vnni", "avx_vnni", "amx_int8"} & set(Path("/proc/cpuinfo").read_text().split())


@pytest.mark.parametrize("instructions", ["SSE41", "AVX2", "AVX512_CORE", "ALL"])
def test_int8(instructions: str) -> None:
    """Without VNNI and AMX, or where they are switched off, sums of int8 overflow; with them they are exact."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(instructions == "ALL" and bool(HAS_VNNI))
