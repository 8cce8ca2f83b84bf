"""What a machine must have before any work is begun."""

import pytest
import torch

from drkit.errors import UsageError
from drkit.recipes.finetune import RunPlace, run_finetune
from drkit.training.config import TrainingConfig


def test_without_a_compiler_compiling_is_refused(
    small_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """As torch words it where there is no g++; nothing is trained and nothing is written."""

    def missing(*_: object) -> None:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lambda _: missing)
    config = TrainingConfig(**{**vars(small_config), "compile": True})
    with pytest.raises(UsageError, match=r"--compile: .*\(InvalidCxxCompiler: No working C\+\+ compiler found\)"):
        run_finetune(config, RunPlace(tmp_path, "a"))
    assert not list(tmp_path.iterdir())
