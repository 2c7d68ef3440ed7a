"""The code that a module's results depend on: its own, and that of every module whose names it uses, without comments.

Sources are read, never imported: this costs no PyTorch. A module reaches another where its code uses a name imported from there. A name
that a package passes on, by an import in its ``__init__.py`` or, where what it passes on is imported late, in ``__init__.pyi``, is followed
to the module that defines it, so that one name of a package does not bring the whole. A package used whole brings all it passes on. What is
imported by a computed name is not seen.

Compared is the syntax tree without docstrings, comments, layout, annotations of signatures, what type checkers alone read, what errors say,
and refusals, written in a form that is the same for every version of Python. A refusal is an assertion, or a condition of an error and of
nothing else: where there are numbers, it did not apply. Within ``try`` they count, for there what is raised may be caught; that a caller
catches it is not seen.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Sources", "digest"]

Reference = tuple[str, ...]
"""A module, and the attributes that lead from it to what is meant."""


class _Module(NamedTuple):
    """What is read of a module.

    Attributes:
        digest: of its code.
        imports: what a local name refers to, a pair for each import of a module that is known.
        defined: the names it defines.
        used: the names in its code, with all their attributes; of what it passes on, too.
    """

    digest: str
    imports: list[tuple[str, Reference]]
    defined: Set[str]
    used: list[list[str]]


class Sources:
    """The modules of some packages, as they are on disk now.

    Args:
        roots: the folder of each package, by its name.
        apart: names whose assignments are no part of a module's digest.
    """

    def __init__(self, roots: Mapping[str, Path], apart: Set[str] = frozenset()) -> None:
        files = {_name(path, root.parent): path for root in roots.values() for path in sorted(root.rglob("*.py"))}
        self._texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
        stubs = {name: path.with_suffix(".pyi") for name, path in files.items()}
        self._stubs = {name: stub.read_text(encoding="utf-8") for name, stub in stubs.items() if stub.exists()}
        self._packages = {name for name, path in files.items() if path.name == "__init__.py"}
        self._apart = apart | {"__all__"}
        self._module = cache(self._read)
        self._uses = cache(self._followed)

    def tree(self, module: str) -> ast.Module:
        """Return the bare syntax of a module."""
        return _Bare().visit(ast.parse(self._texts[module]))

    def reached(self, module: str) -> dict[str, str]:
        """Return the digest of a module and of all that it reaches, by name.

        Raises:
            LookupError: a name is used that its module does not have, as far as can be read.
        """
        found: dict[str, str] = {}
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self._module(name).digest
                waiting += self._uses(name)
        return dict(sorted(found.items()))

    def _read(self, module: str) -> _Module:
        tree = self.tree(module)
        nodes = list(ast.walk(tree))
        stub = ast.parse(self._stubs.get(module, ""))
        late = [pair for node in stub.body for pair in self._imported(module, node)]
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        passed_on = [text for node in tree.body if "__all__" in _assigned(node) for text in _strings(node)]
        return _Module(
            digest=digest(*(node for node in tree.body if not _assigned(node) & self._apart)),
            imports=[*late, *(pair for node in nodes for pair in self._imported(module, node))],
            defined=stored | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)},
            used=[name.split(".") for name in [*_names(tree), *passed_on, *(name for name, _ in late)]],
        )

    def _imported(self, module: str, node: ast.AST) -> Iterator[tuple[str, Reference]]:
        """Yield the local names that a statement binds to modules known here, or to their parts."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                if bound in self._texts:
                    yield alias.asname or bound, (bound,)
        if isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level + (module in self._packages) or None] if node.level else []
            source = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            if source in self._texts:
                yield from ((alias.asname or alias.name, (source, alias.name)) for alias in node.names)

    def _followed(self, module: str) -> Set[str]:
        """Return the modules that define what a module uses."""
        code = self._module(module)
        names = [self._home(*to, *name[1:]) for local, to in code.imports for name in code.used if name[0] == local]
        return {home for home in names if home}

    def _home(self, module: str, *attributes: str) -> str | None:
        """Return the module that defines what attributes of a module lead to; None of ``__version__`` and its like, which are no code."""
        if not attributes:
            return module
        name, *rest = attributes
        if name.startswith("__"):
            return None
        code = self._module(module)
        passed_on = dict(code.imports).get(name)
        if passed_on and passed_on != (module, name):
            return self._home(*passed_on, *rest)
        if f"{module}.{name}" in self._texts:
            return self._home(f"{module}.{name}", *rest)
        if name in code.defined:
            return module
        raise LookupError(f"{module} has no {name}, as far as its source can be read")


class _Bare(ast.NodeTransformer):
    """Removes from a syntax tree what no result depends on."""

    _tried = False

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop strings that stand alone: docstrings."""
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop what is returned by annotation."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop the annotation of an argument."""
        node.annotation = None
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Drop the empty parts that Python 3.12 finds in f-strings."""
        node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Drop what an error says; its kind counts, as that by which it is caught."""
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_Assert(self, node: ast.Assert) -> ast.AST | None:
        """Drop an assertion."""
        return node if self._tried or _assigns(node.test) else None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST] | None:
        """Drop what stands under ``if TYPE_CHECKING``, and conditions of errors."""
        node = self.generic_visit(node)  # pyright: ignore[reportAssignmentType] of the same type
        if _dotted(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return list(node.orelse)
        refuses = not node.orelse and all(isinstance(part, ast.Raise) for part in node.body)
        return None if refuses and not (self._tried or _assigns(node.test)) else node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """Keep all conditions."""
        outside, self._tried = self._tried, True
        self.generic_visit(node)
        self._tried = outside
        return node

    visit_TryStar = visit_Try  # pyright: ignore[reportAssignmentType] has the same fields


def digest(*nodes: ast.AST) -> str:
    """Return the hash of syntax, wherever it stands."""
    return hashlib.sha256("\n".join(map(_form, nodes)).encode()).hexdigest()[:16]


def _form(node: object) -> str:
    """Return a tree as text; fields that are empty, as those are that an older Python does not know, are left out."""
    if isinstance(node, list):
        return f"[{','.join(map(_form, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, part) for name, part in ast.iter_fields(node) if name != "kind" and part not in (None, []))
    return f"{type(node).__name__}({','.join(f'{name}={_form(part)}' for name, part in fields)})"


def _name(path: Path, above: Path) -> str:
    """Return the name under which a file is imported."""
    parts = path.relative_to(above).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _dotted(node: ast.AST) -> str | None:
    """Return a name, or attributes of one, as they are written: a.b.c."""
    if isinstance(node, ast.Attribute):
        of = _dotted(node.value)
        return of and f"{of}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _assigns(node: ast.AST) -> bool:
    """Return whether an expression gives a name a value."""
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names in a tree, each with all its attributes."""
    found = _dotted(node)
    if found:
        yield found
    else:
        for child in ast.iter_child_nodes(node):
            yield from _names(child)


def _strings(node: ast.AST) -> set[str]:
    """Return the texts in a tree."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def _assigned(node: ast.AST) -> set[str]:
    """Return the names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
