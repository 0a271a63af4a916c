"""Finds which files of a crate use which, from its sources."""

import re
from pathlib import Path

Module = tuple[str, ...]
NAMES = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")
USE = re.compile(r"^\s*((?:pub(?:\([^)]*\))? )?)use ([^;]+);", re.MULTILINE)


class Crate:
    """The modules of a crate, without tests."""

    def __init__(self, source: Path) -> None:
        self.source = source
        files = [file for file in source.rglob("*.rs") if "tests" not in file.with_suffix("").parts]
        self.code = {self.module(file): plain(file.read_text()) for file in files}
        self.files = {self.module(file): self.name(file) for file in files}
        self.uses = {
            module: [
                (bool(public), alias, self.absolute(module, path))
                for public, tree in USE.findall(code)
                for path, alias in leaves(tree)
            ]
            for module, code in self.code.items()
        }

    def name(self, file: Path) -> str:
        return file.relative_to(self.source).with_suffix("").as_posix()

    def module(self, file: Path) -> Module:
        name = self.name(file).removesuffix("/mod")
        return () if name == "lib" else tuple(name.split("/"))

    def absolute(self, module: Module, path: str) -> Module | None:
        """A path from the crate's root; None for a path in another crate."""
        first, *rest = path.split("::")
        match first:
            case "crate":
                return tuple(rest)
            case "super":
                return self.absolute(module[:-1], "::".join(["self", *rest]))
            case "self":
                return self.absolute(module[:-1], "::".join(rest)) if "super" in rest[:1] else (
                    *module, *rest
                )  # fmt: skip
            case _ if (*module, first) in self.code:
                return (*module, first, *rest)
        return None

    def defined_in(self, path: Module) -> Module:
        """The module that a path ends in or that defines its item, following re-exports."""
        module: Module = ()
        for index, name in enumerate(path):
            if (*module, name) in self.code:
                module = (*module, name)
                continue
            targets = [target for _, alias, target in self.uses[module] if alias == name and target]
            return self.defined_in((*targets[0], *path[index + 1 :])) if targets else module
        return module

    def used_by(self, module: Module) -> set[str]:
        """The files whose items a module uses; a mere re-export does not count."""
        code = self.code[module]
        body = USE.sub("", code)
        paths = [self.absolute(module, path) for path in NAMES.findall(body)]
        for public, alias, target in self.uses[module]:
            if target and (not public or re.search(rf"\b{alias}\b", body)):
                paths.append(target)
                if target in self.code:
                    paths += [(*target, name) for name in re.findall(rf"\b{alias}::(\w+)", body)]
        for child in [child[-1] for child in self.code if child and child[:-1] == module]:
            names = re.findall(rf"(?<!::)\b{child}::(\w+)", body)
            paths += [(*module, child, name) for name in names]
        used = {self.defined_in(path) for path in paths if path}
        return {self.files[other] for other in used if other != module}

    def graph(self) -> dict[str, set[str]]:
        """For each file, the files that it uses."""
        return {self.files[module]: self.used_by(module) for module in self.code}


def plain(code: str) -> str:
    """Code without comments, strings, test modules and visibility paths."""
    code = re.sub(r"#\[cfg\(test\)\]\s*mod \w+ \{.*?^\}", "", code, flags=re.DOTALL | re.MULTILINE)
    code = re.sub(r'//[^\n]*|"(?:[^"\\]|\\.)*"', "", code)
    return re.sub(r"pub\(in [\w:]+\)", "pub(crate)", code)


def leaves(tree: str) -> list[tuple[str, str]]:
    """The paths of a use tree, each with the name that it binds."""
    tree = tree.strip()
    if "{" not in tree:
        path, _, alias = tree.partition(" as ")
        return [(path, alias or path.rpartition("::")[2])]
    prefix, _, rest = tree.partition("{")
    parts, depth = [""], 0
    for character in rest.rstrip().removesuffix("}"):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    found = []
    for part in filter(None, (part.strip() for part in parts)):
        if part == "self":
            path = prefix.removesuffix("::")
            found.append((path, path.rpartition("::")[2]))
        else:
            found += leaves(prefix + part)
    return found
