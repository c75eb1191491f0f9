#!/usr/bin/env python3
"""Fails if source files of a crate import each other in a circle.

    scripts/check-circles.py            all crates below crates/
    scripts/check-circles.py --edges    also print every import, one a line

A file imports another if a path in it (`crate::a::B`, `super::c`, or the name of a child module)
leads to an item that the other file defines. Re-exports are followed to the definition. `mod x;`
and `pub use x::Y;` are a table of contents, not an import. Test modules inside a file do not count.
It reads tokens, not types: what a macro writes, and methods called on a value, are not seen.

Exit status: 0 no circle, 1 a circle.
"""

import pathlib
import re
import sys

# Circles that are meant, as sets of files, each with one sentence that says why.
MEANT = {}

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.S
)
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.S)
PATH = re.compile(r"(?<![\w:.])((?:\w+::)+(?:\w+|\*)|\w+)")


def source(file):
    """The text without comments, strings and test modules."""
    text = TOKEN.sub(lambda m: '""' if m[0][0] in 'rb"' else " ", file.read_text())
    cut = re.search(r"#\[cfg\((?:test|all\(\s*test\b[^]]*)\)\]\s*mod\s+\w+\s*\{", text)
    return text[: cut.start()] if cut else text


def expanded(tree):
    """The paths of a use tree: `a::{b, c::{self, d as e}}` has a::b, a::c and a::c::d as e."""
    tree = " ".join(tree.split())
    if "{" not in tree:
        path, _, alias = tree.partition(" as ")
        parts = path.replace(" ", "").split("::")
        if parts[-1] == "self":
            parts.pop()
        return [(parts, alias or parts[-1])]
    head, _, rest = tree.partition("{")
    inner, parts, depth, start = rest.rpartition("}")[0], [], 0, 0
    for at, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            if inner[start:at].strip():
                parts.append(inner[start:at].strip())
            start = at + 1
    return [found for part in parts for found in expanded(head + part)]


class Crate:
    """The module tree of one crate root, such as src/lib.rs."""

    def __init__(self, root):
        self.files, self.text, self.exports, self.uses = {}, {}, {}, {}
        self.read((), root, root.parent)

    def read(self, module, file, folder):
        text = source(file)
        self.files[module], self.exports[module], self.uses[module] = file, {}, []
        for public, tree in USE.findall(text):
            for path, alias in expanded(tree):
                if public:
                    self.exports[module].setdefault(alias, []).append(path)
                else:
                    self.uses[module].append((path, alias))
        self.text[module] = USE.sub(";", text)
        declared = r"((?:#\[[^]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*;"
        for attributes, name in re.findall(declared, text):
            child = next(
                (f for f in (folder / f"{name}.rs", folder / name / "mod.rs") if f.exists()), None
            )
            if child and not re.search(r"cfg\((all\(\s*)?test\b", attributes):
                self.read(module + (name,), child, folder / name)

    def resolve(self, module, path, seen=()):
        """The modules that define what the path leads to; none if it leads out of the crate."""
        if (module, tuple(path)) in seen:
            return []
        seen = (*seen, (module, tuple(path)))
        at, rest = module, list(path)
        if rest[0] == "crate":
            at, rest = (), rest[1:]
        else:
            while rest and rest[0] in ("super", "self"):
                at, rest = (at[:-1] if rest[0] == "super" else at), rest[1:]
            if rest == list(path) and at + (rest[0],) not in self.files:
                return []
        while rest and at + (rest[0],) in self.files:
            at, rest = at + (rest[0],), rest[1:]
        if not rest:
            return []  # A module's name by itself; what is taken from it is a path of its own.
        if rest[0] == "*":
            return [at]
        for export in self.exports[at].get(rest[0], []):
            return self.resolve(at, export + rest[1:], seen) or [at]
        for export in self.exports[at].get("*", []):
            inner = self.resolve(at, export[:-1] + rest, seen)
            if inner and re.search(rf"\b{rest[0]}\b", self.text[inner[0]]):
                return inner
        return [at]

    def imports(self):
        """The files that each file imports."""
        edges = {}
        for module, file in self.files.items():
            paths = [path for path, _ in self.uses[module]]
            names = {alias: path for path, alias in self.uses[module]}
            for found in PATH.findall(self.text[module]):
                parts = found.split("::")
                # A module that was imported by name, or a path spelled out.
                if len(parts) > 1:
                    paths.append(names.get(parts[0], parts[:1]) + parts[1:])
            targets = {self.files[at] for path in paths for at in self.resolve(module, path)}
            edges[file] = targets - {file}
        return edges


def circles(edges):
    """The strongly connected components with more than one file (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def main():
    top = pathlib.Path(__file__).resolve().parent.parent
    failed = 0
    for folder in sorted((top / "crates").iterdir()):
        roots = [r for r in (folder / "src/lib.rs", folder / "src/main.rs") if r.exists()]
        for root in roots:
            edges = Crate(root).imports()
            short = {file: file.relative_to(top) for file in edges}
            if "--edges" in sys.argv:
                for file in sorted(edges):
                    for target in sorted(edges[file]):
                        print(f"{short[file]} -> {short[target]}")
            for circle in circles(edges):
                if frozenset(str(short[f]) for f in circle) in MEANT:
                    continue
                failed += 1
                print("files import each other in a circle:")
                for file in circle:
                    for target in sorted(edges[file].intersection(circle)):
                        print(f"  {short[file]} -> {short[target]}")
    if failed:
        print("Move what two of them need into a file below both.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
