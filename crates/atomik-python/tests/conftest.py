"""What several tests share."""

import importlib
import os
import pathlib
import sys

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "bounded", max_examples=150, deadline=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("bounded")

#: The folder of the project.
ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def original():
    """The package atomik-core 0.4.0 itself, beside our module of the same name."""
    folder = os.environ.get("ATOMIK_CORE")
    if not folder:
        pytest.fail("ATOMIK_CORE is not set: run `make test-python`")
    ours = {name: module for name, module in sys.modules.items() if _is_core(name)}
    for name in ours:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        importlib.invalidate_caches()
        module = importlib.import_module("atomik_core")
        for name in ("persistent", "sync", "transport", "async_transport"):
            importlib.import_module(f"atomik_core.{name}")
    finally:
        sys.path.remove(folder)
        for name in [name for name in sys.modules if _is_core(name)]:
            del sys.modules[name]
        sys.modules.update(ours)
    assert module.__file__.startswith(folder)
    return module


def _is_core(name):
    return name == "atomik_core" or name.startswith("atomik_core.")
