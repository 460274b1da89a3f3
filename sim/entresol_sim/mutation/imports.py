"""Has the rewritten modules imported in place of the plain ones."""

import ast
import sys
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location

from .sites import Mutant, all_modules, files


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, tree: ast.Module):
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname):
        return compile(self._tree, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, trees: Mapping[str, ast.Module]):
        self._trees = trees
        self._paths = {module: str(path) for module, path in files()}

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname not in self._trees:
            return None
        where = self._paths[fullname]
        return spec_from_file_location(fullname, where, loader=_Loader(fullname, where, self._trees[fullname]))


def install() -> list[Mutant]:
    """From now on, modules with mutants are imported rewritten.  Returns the mutants.

    Raises:
        RuntimeError: one of them was imported before.
    """
    trees, mutants = all_modules()
    early = sorted(trees.keys() & sys.modules.keys())
    if early:
        raise RuntimeError(f"{early[0]} was imported before its mutants were installed")
    sys.meta_path.insert(0, _Finder(trees))
    return mutants
