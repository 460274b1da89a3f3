"""Mutants that no test can notice, each with the reason why."""

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = ()

#: Why no test notices a mutant, by its name.
EXPLAINED: dict[str, str] = {name: reason for reason, names in _REASONS for name in names}
