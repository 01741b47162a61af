from __future__ import annotations

import pytest

from aster.execution.hardware import Gpu, allowed, cpu_kind, gpu_kind, list_gpus

GPUS = [Gpu("GPU-aa", "H100"), Gpu("GPU-ab", "A100"), Gpu("GPU-b", "H100")]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, GPUS),
        ("", []),
        ("0,2", [GPUS[0], GPUS[2]]),
        ("2, 0", [GPUS[2], GPUS[0]]),
        ("GPU-b", [GPUS[2]]),
        ("GPU-ab,1", [GPUS[1]]),  # named twice, leased once
        ("GPU-a", []),  # fits two devices
        ("1,7,0", [GPUS[1]]),  # what follows a device that is not there is ignored
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_allowed(visible: str | None, expected: list[Gpu]) -> None:
    assert allowed(GPUS, visible) == expected


def test_most_frequent_kind() -> None:
    assert gpu_kind(GPUS) == ("gpu: H100", [GPUS[0], GPUS[2]])


def test_cpu_kind_names_something() -> None:
    assert cpu_kind().startswith("cpu: ")
    assert len(cpu_kind()) > len("cpu: ")


def test_no_driver_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert list_gpus() == []


def test_devices_come_from_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: f"GPU-{handle}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: b"NVIDIA H100")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMinorNumber", lambda handle: handle + 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert list_gpus() == [Gpu("GPU-1", "NVIDIA H100", "/dev/nvidia5")]
