"""Whether the packages that are installed get in each other's way."""

import importlib.util
import pathlib
import warnings

#: In the first lines of this wheel's `atomik_core/__init__.py`, and of no other.
MARK = "Part of ATOMiK's wheel"


def warn_if_shadowed() -> None:
    """Warns if `import atomik_core` would import the package atomik-core instead of ours."""
    try:
        spec = importlib.util.find_spec("atomik_core")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return
    try:
        with pathlib.Path(spec.origin).open(encoding="utf-8") as file:
            is_ours = MARK in file.read(500)
    except OSError:
        return
    if not is_ours:
        warnings.warn(
            f"`import atomik_core` gives {spec.origin}, which is not the compatible module of this "
            "wheel: the package atomik-core was installed over it. Run `pip uninstall atomik-core`,"
            " then `pip install --force-reinstall` with this wheel",
            UserWarning,
            stacklevel=3,
        )


def warn_if_both() -> None:
    """Warns if the package atomik-core is installed beside this wheel, whose files it shares."""
    from importlib import metadata

    try:
        version = metadata.version("atomik-core")
    except metadata.PackageNotFoundError:
        return
    warnings.warn(
        f"the package atomik-core {version} is installed beside ATOMiK's wheel; both have the "
        "module atomik_core, and this one is ATOMiK's. Run `pip uninstall atomik-core`, then "
        "`pip install --force-reinstall` with ATOMiK's wheel, so that no file of the other is left",
        UserWarning,
        stacklevel=3,
    )
