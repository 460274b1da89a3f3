"""Where mutants are: the Python source of the hardware, rewritten so that each can be turned on.

Every expression that can be mutated becomes a call of a function of `switch`, which gets its operands and the numbers
of its mutants.  What a mutant is called says what it changes in which function, so that the name stays when lines move.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

#: Packages of `entresol` whose source is mutated.
PACKAGES = ("privileged", "mmu")
#: What the rewritten source calls `switch`.
SWITCH = "_mutants"

_BINARY = {
    ast.BitAnd: ("&", (ast.BitOr, "left", "right")),
    ast.BitOr: ("|", (ast.BitAnd, "left", "right")),
    ast.BitXor: ("^", (ast.BitAnd, "left", "right")),
    ast.Add: ("+", (ast.Sub, "left")),
    ast.Sub: ("-", (ast.Add, "left")),
}
_COMPARISONS = {
    ast.Eq: ("==", ast.NotEq), ast.NotEq: ("!=", ast.Eq), ast.Lt: ("<", ast.LtE), ast.LtE: ("<=", ast.Lt),
    ast.Gt: (">", ast.GtE), ast.GtE: (">=", ast.Gt),
}  # fmt: skip
_LENGTH = 90  # of an expression in the description of a mutant


@dataclass(frozen=True)
class Mutant:
    """One fault: its number (from 1) among those of all files, where it is, what kind of fault, and the source text
    before and after."""

    number: int
    path: str  # below entresol/
    function: str
    line: int
    kind: str
    before: str
    after: str
    nth: int = 0  # among equal ones of the same function

    @property
    def name(self) -> str:
        """The same for as long as the function has this expression."""
        suffix = f" #{self.nth + 1}" if self.nth else ""
        return f"{self.path} {self.function}: {self.before} -> {self.after}{suffix}"


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."


class _Rewriter(ast.NodeTransformer):
    """Rewrites a module; `mutants` are those found, numbered from `first`."""

    def __init__(self, path: str, first: int):
        self._path, self._next = path, first
        self._functions: list[str] = []
        self._sync = False
        self.mutants: list[Mutant] = []

    # -- making calls

    def _add(self, node: ast.AST, kind: str, before: str, after: str) -> ast.expr:
        mutant = Mutant(self._next, self._path, ".".join(self._functions), node.lineno, kind, before, after)
        self.mutants.append(mutant)
        self._next += 1
        return ast.Constant(mutant.number)

    @staticmethod
    def _call(node: ast.AST, name: str, *arguments: ast.expr) -> ast.Call:
        function = ast.Attribute(ast.Name(SWITCH, ast.Load()), name, ast.Load())
        return ast.copy_location(ast.Call(function, list(arguments), []), node)

    # -- where mutants can be

    def visit_ClassDef(self, node):
        self._functions.append(node.name)
        node.body = [self.visit(each) if isinstance(each, ast.FunctionDef | ast.ClassDef) else each
                     for each in node.body]  # fmt: skip
        self._functions.pop()
        return node

    def visit_FunctionDef(self, node):
        if node.name == "__init__":  # ports
            return node
        self._functions.append(node.name)
        node.body = [self.visit(each) for each in node.body]
        self._functions.pop()
        return node

    def visit_Module(self, node):
        node.body = [self.visit(each) if isinstance(each, ast.FunctionDef | ast.ClassDef) else each
                     for each in node.body]  # fmt: skip
        return node

    # -- statements

    def visit_AnnAssign(self, node):
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_AugAssign(self, node):
        target = node.target
        if isinstance(target, ast.Attribute):  # m.d.sync += ...
            before, self._sync = self._sync, target.attr == "sync"
            node.value = self.visit(node.value)
            self._sync = before
            return node
        if isinstance(target, ast.Name) and type(node.op) in _BINARY:
            value = ast.copy_location(ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value), node)
            ast.fix_missing_locations(value)
            return ast.copy_location(ast.Assign([target], self.visit(value)), node)
        node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node):
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and target.attr == "next" and isinstance(target.value, ast.Name):
            before = _text(node)
            number = self._add(node, "dropped assignment", before, "(nothing)")
            call = self._call(node, "next_state", target.value, self.visit(node.value), number)
            return ast.copy_location(ast.Expr(call), node)
        node.value = self.visit(node.value)
        return node

    def visit_match_case(self, node):
        node.body = [self.visit(each) for each in node.body]
        return node

    def visit_Assert(self, node):
        return node

    # -- expressions

    def visit_BinOp(self, node):
        if type(node.op) not in _BINARY:
            return self.generic_visit(node)
        symbol, alternatives = _BINARY[type(node.op)]
        before = _text(node)
        numbers = []
        for other in alternatives:
            if other == "left":
                numbers.append(self._add(node, "dropped term", before, _text(node.left)))
            elif other == "right":
                numbers.append(self._add(node, "dropped term", before, _text(node.right)))
            else:
                after = _text(ast.BinOp(node.left, other(), node.right))
                numbers.append(self._add(node, "wrong operator", before, after))
        left, right = self.visit(node.left), self.visit(node.right)
        return self._call(node, "binary", ast.Constant(symbol), left, right, *numbers)

    def visit_UnaryOp(self, node):
        if not isinstance(node.op, ast.Invert):
            return self.generic_visit(node)
        number = self._add(node, "inverted condition", _text(node), _text(node.operand))
        return self._call(node, "invert", self.visit(node.operand), number)

    def visit_Compare(self, node):
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            return self.generic_visit(node)
        symbol, other = _COMPARISONS[type(node.ops[0])]
        before = _text(node)
        right = node.comparators[0]
        kind = "inverted condition" if symbol in ("==", "!=") else "off by one"
        swapped = self._add(node, kind, before, _text(ast.Compare(node.left, [other()], [right])))
        constant = self._add(node, "off by one", before, f"{_text(node.left)} {symbol} {_text(right)} + 1")
        return self._call(
            node, "compare", ast.Constant(symbol), self.visit(node.left), self.visit(right), swapped, constant
        )

    def visit_Attribute(self, node):
        if not isinstance(node.ctx, ast.Load) or node.attr.startswith("_"):
            return self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in ("m", "ast", "data", "wiring", "enum"):
            return node
        if isinstance(node.value, ast.Name) and node.value.id[:1].isupper():  # a class
            return node
        number = self._add(node, "wrong field", _text(node), f"the field after {_text(node)}")
        return self._call(node, "field", self.visit(node.value), ast.Constant(node.attr), number)

    def visit_Subscript(self, node):
        if not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        before = _text(node)
        number = self._add(node, "wrong field", before, f"the one after {before}")
        key = node.slice
        if isinstance(key, ast.Slice):
            parts = [self.visit(part) if part is not None else ast.Constant(None)
                     for part in (key.lower, key.upper, key.step)]  # fmt: skip
            key = ast.Call(ast.Name("slice", ast.Load()), parts, [])
        else:
            key = self.visit(key)
        return self._call(node, "item", self.visit(node.value), ast.copy_location(key, node), number)

    def _condition(self, node: ast.Call, name: str) -> ast.Call:
        condition = node.args[0]
        before = _text(condition)
        simple = isinstance(condition, ast.Compare) or (
            isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Invert)
        )  # its inverse is a mutant anyway
        numbers = [ast.Constant(0) if simple else self._add(node, "inverted condition", f"m.{name}({before})", "not")]
        numbers += [self._add(node, "stuck condition", f"m.{name}({before})", text) for text in ("always", "never")]
        node.args = [self._call(condition, "condition", self.visit(condition), *numbers), *node.args[1:]]
        return node

    def visit_Call(self, node):
        function = node.func
        before = _text(node)
        if isinstance(function, ast.Name):
            if function.id == "Mux" and len(node.args) == 3:
                chosen, one, zero = node.args
                numbers = [
                    self._add(node, "swapped operands", before, _text(ast.Call(function, [chosen, zero, one], []))),
                    self._add(node, "dropped term", before, _text(one)),
                    self._add(node, "dropped term", before, _text(zero)),
                ]
                return self._call(node, "choice", *map(self.visit, node.args), *numbers)
        elif isinstance(function, ast.Attribute):
            name, subject = function.attr, function.value
            if isinstance(subject, ast.Name) and subject.id == "m":
                if name in ("If", "Elif"):
                    return self._condition(node, name)
                if name == "Switch":
                    number = self._add(node, "wrong field", before, f"m.Switch({_text(node.args[0])} ^ 1)")
                    node.args = [self._call(node, "switch", self.visit(node.args[0]), number)]
                return node
            if name == "eq" and len(node.args) == 1:
                numbers = [self._add(node, "stuck bits", before, f"{_text(subject)}.eq({value})")
                           for value in ("0", "-1")]  # fmt: skip
                if self._sync:
                    numbers.append(self._add(node, "dropped assignment", before, "(nothing)"))
                return self._call(node, "assign", subject, self.visit(node.args[0]), *numbers)
            if name in ("any", "all") and not node.args:
                other = {"any": "all", "all": "any"}[name]
                number = self._add(node, "wrong operator", before, f"{_text(subject)}.{other}()")
                return self._call(node, "reduction", ast.Constant(name), self.visit(subject), number)
            if name == "matches":
                numbers = [self._add(node, "dropped term", before, f"without the {which} pattern")
                           for which in ("first", "last")]  # fmt: skip
                patterns = ast.Tuple([*node.args], ast.Load())
                return self._call(node, "matches", self.visit(subject), patterns, *numbers)
            # another method: its object is no operand
            function.value = self.visit(subject) if not isinstance(subject, ast.Name | ast.Constant) else subject
        node.args = [self.visit(each) for each in node.args]
        node.keywords = [ast.keyword(each.arg, self.visit(each.value)) for each in node.keywords]
        return node

    def visit_JoinedStr(self, node):
        return node


def rewrite(source: str, path: str, first: int) -> tuple[ast.Module, list[Mutant]]:
    """The rewritten module of `source`, and its mutants numbered from `first`."""
    tree = ast.parse(source)
    rewriter = _Rewriter(path, first)
    rewritten = rewriter.visit(copy.deepcopy(tree))
    at = next(
        index for index, each in enumerate(rewritten.body)
        if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))  # docstring
    )  # fmt: skip
    name = ast.ImportFrom("entresol_sim.mutation", [ast.alias("switch", SWITCH)], 0)
    rewritten.body.insert(at, name)
    ast.fix_missing_locations(rewritten)
    seen: Counter[str] = Counter()
    mutants = []
    for mutant in rewriter.mutants:
        mutants.append(replace(mutant, nth=seen[mutant.name]))
        seen[mutant.name] += 1
    return rewritten, mutants


def files() -> Iterator[tuple[str, Path]]:
    """Module name and path of every file that is mutated, in order."""
    spec = find_spec("entresol")
    assert spec is not None and spec.submodule_search_locations is not None
    root = Path(spec.submodule_search_locations[0])
    for package in PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            if path.name != "__init__.py":
                yield f"entresol.{package}.{path.stem}", path


def all_modules() -> tuple[dict[str, ast.Module], list[Mutant]]:
    """The rewritten modules by name, and all mutants."""
    trees: dict[str, ast.Module] = {}
    found: list[Mutant] = []
    for module, path in files():
        name = f"{path.parent.name}/{path.name}"
        trees[module], mutants = rewrite(path.read_text(), name, len(found) + 1)
        found += mutants
    return trees, found
