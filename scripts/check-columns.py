#!/usr/bin/env python3
"""Checks that code, comments and prose have at most 100 columns.

    scripts/check-columns.py [FILE...]    without files: every file under version control

Wider lines are allowed where breaking them would harm: table rows, URLs, link definitions, and
fenced code blocks without a language or in `console` or `text`, which show program output.
Generated files are not checked, nor is the report's style sheet, which is part of every report.
Prints every other line that is too wide; exit status 1 if there is one.
"""

import pathlib
import re
import subprocess
import sys

LIMIT = 100
CHECKED = {".c", ".cpp", ".h", ".js", ".lean", ".md", ".py", ".rs", ".sh", ".toml"}
CHECKED_NAMES = {"Makefile", "run"}  # `run` is .ci/run
GENERATED = re.compile(r"docs/eval/|hdl/[^/]*\.md\.|Cargo\.lock$")

COMMENT = r"\s*(?://[/!]?|#)?\s*"
TABLE_ROW = re.compile(COMMENT + r"\|.*\|$")
LINK_DEFINITION = re.compile(COMMENT + r"\[[^]]+\]: \S+$")
LONG_URL = re.compile(r"\S*https?://\S+")
FENCE = re.compile(r"(\s*(?://[/!])?\s*)(```+|~~~+)(\S*)")
OUTPUT_LANGUAGES = {"", "console", "text"}


def tracked_files():
    """Every file under version control, relative to the project's root."""
    root = pathlib.Path(__file__).resolve().parent.parent
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True
    ).stdout
    return [root / name for name in names.split("\0") if name], root


def has_columns(path, root):
    """Whether the limit applies to this file."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    if GENERATED.search(name) or not path.is_file():
        return False
    is_proof = name.startswith("proofs/") and path.suffix == ".v"
    return is_proof or path.suffix in CHECKED or path.name in CHECKED_NAMES


def may_be_wide(line):
    """Whether a line outside a code block may exceed the limit."""
    if TABLE_ROW.match(line) or LINK_DEFINITION.match(line):
        return True
    return bool(LONG_URL.search(line)) and len(LONG_URL.sub("", line)) <= LIMIT


def wide_lines(path):
    """Numbers and widths of the lines that are too wide."""
    fenced_markdown = path.suffix in {".md", ".rs"}
    output_block, open_fence = False, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line) if fenced_markdown else None
        if fence and open_fence is None:
            open_fence, output_block = fence[2], fence[3] in OUTPUT_LANGUAGES
        elif fence and fence[2].startswith(open_fence) and not fence[3]:
            open_fence, output_block = None, False
        if len(line) > LIMIT and not output_block and not may_be_wide(line):
            yield number, len(line)


def main():
    files, root = tracked_files()
    if sys.argv[1:]:
        files = [pathlib.Path(name).resolve() for name in sys.argv[1:]]
    found = 0
    for path in files:
        if has_columns(path, root):
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            for number, width in wide_lines(path):
                found += 1
                print(f"{shown}:{number}: {width} columns, the limit is {LIMIT}")
    if found:
        sys.exit(f"check-columns: {found} lines are too wide: break them")


main()
