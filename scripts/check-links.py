#!/usr/bin/env python3
"""Checks the relative links and anchors of all Markdown files under version control.

    scripts/check-links.py

A link must lead to a file or folder under version control, and its anchor to a heading of that
file. Pages of the book (docs/*.md) must be in docs/SUMMARY.md, and link to Markdown outside docs/
by folder only: mdBook turns NAME.md into NAME.html, which is not there. Links with a scheme are not
followed. Prints FILE:LINE: and the reason for every broken link; exit status 1 if there is one.
"""

import functools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs"
SUMMARY = BOOK / "SUMMARY.md"

FENCE = re.compile(r"\s*(```+|~~~+)")
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
INLINE_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
LINK_DEFINITION = re.compile(r"\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$")
HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*\s*$")
HTML_ANCHOR = re.compile(r"<[^>]+\b(?:id|name)=\"([^\"]+)\"")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def tracked_paths():
    """Every file under version control, and every folder that holds one."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    files = {ROOT / name for name in names.split("\0") if name}
    folders = {parent for file in files for parent in file.parents if parent.is_relative_to(ROOT)}
    return files, folders


def prose(path):
    """The lines outside fenced code blocks, with their numbers."""
    fence = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if match and fence is None:
            fence = match[1]
        elif match and match[1].startswith(fence):
            fence = None
        elif fence is None:
            yield number, line


def slug(heading):
    """The anchor that GitHub and mdBook give a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


@functools.cache
def anchors(path):
    """Every anchor of a page. HTML pages are searched for ids."""
    if path.suffix == ".html":
        return set(re.findall(r"\bid=\"?([^\"\s>]+)", path.read_text(encoding="utf-8")))
    found, seen = set(), {}
    for _, line in prose(path):
        found.update(HTML_ANCHOR.findall(line))
        heading = HEADING.match(line)
        if heading:
            name = slug(heading[1])
            count = seen.get(name, 0)
            seen[name] = count + 1
            found.add(f"{name}-{count}" if count else name)
    return found


def links(path):
    """The targets of all links of a page, with their line numbers. A link may span two lines."""
    previous, previous_number = "", 0
    for number, line in prose(path):
        text = CODE_SPAN.sub(lambda span: "`" * len(span[0]), line)
        definition = LINK_DEFINITION.match(text)
        if definition:
            yield number, definition[1]
        # A link that begins on the line before and ends on this one.
        joined = previous + " " + text if previous_number == number - 1 else text
        for match in INLINE_LINK.finditer(joined):
            if match.end() > len(joined) - len(text):
                yield number, match[1]
        previous, previous_number = text, number


def fault(page, target, files, folders):
    """Why a link is broken, or None."""
    if SCHEME.match(target):
        return None
    name, _, anchor = target.partition("#")
    path = pathlib.Path(*(page.parent / name).resolve().parts) if name else page
    if path not in files and path not in folders:
        return f"{target} is not under version control"
    if page.parent == BOOK and path.suffix == ".md" and not path.is_relative_to(BOOK):
        return f"{target} has no page in the book: link to its folder"
    if anchor and re.fullmatch(r"L\d+(-L\d+)?", anchor) and path.suffix != ".md":
        return None
    if anchor and (path in folders or anchor not in anchors(path)):
        return f"{target}: there is no anchor #{anchor}"
    return None


def main():
    files, folders = tracked_paths()
    faults = []
    pages = sorted(file for file in files if file.suffix == ".md" and file.is_file())
    chapters = {(BOOK / target).resolve() for _, target in links(SUMMARY)}
    for page in pages:
        shown = page.relative_to(ROOT)
        if page.parent == BOOK and page != SUMMARY and page not in chapters:
            faults.append(f"{shown}:1: is not in docs/SUMMARY.md")
        for number, target in links(page):
            reason = fault(page, target, files, folders)
            if reason:
                faults.append(f"{shown}:{number}: {reason}")
    for line in faults:
        print(line)
    if faults:
        sys.exit(f"check-links: {len(faults)} broken links: correct them")


main()
