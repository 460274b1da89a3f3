"""`entresol mutate` on parts whose unit tests are quick: a representative piece of the whole campaign."""

import json

from entresol_sim.cli import main

FILES = ("privileged/legality.py", "privileged/tinst.py", "privileged/block_control.py", "privileged/trap_select.py",
         "privileged/interrupt_select.py", "mmu/pma.py")  # fmt: skip
TESTS = (*(f"tests/unit/privileged/test_{name}.py" for name in ("legality", "tinst", "block_control", "selection")),
         "tests/unit/mmu/test_pma.py")  # fmt: skip


def arguments(output, count, files=FILES, tests=TESTS, **more):
    options = {"output": output, "count": count, **more}
    return ["mutate", *(f"--{name}={value}" for name, value in options.items()),
            *(f"--file={file}" for file in files), *(f"--tests={test}" for test in tests)]  # fmt: skip


def test_unit_tests_notice_mutants_of_their_parts(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    command = arguments(tmp_path, 60, figures=figures)
    assert main(command) == 0, capsys.readouterr().out
    sums = json.loads(figures.read_text())
    assert sums["mutants"] == 60 and sums["killed"] >= 57
    assert sum(of for _, of in sums["files"].values()) == 60 and set(sums["files"]) == set(FILES)
    # what is done is not done again
    journal = next(tmp_path.glob("*.jsonl"))
    before = journal.read_text()
    assert main(command) == 0
    assert journal.read_text() == before and json.loads(figures.read_text()) == sums


def test_survivors_are_listed_and_tried_with_further_tests(tmp_path, capsys):
    """Those tests have nothing to do with the file; then the right ones are added."""
    legality, tinst = TESTS[0], TESTS[1]
    file = ("privileged/tinst.py",)
    assert main(arguments(tmp_path, 3, file, [legality])) == 1
    out, err = capsys.readouterr()
    assert out.count("survived: privileged/tinst.py TransformedInstruction.elaborate: ") == 3
    assert "3 mutants, 0 noticed, 3 survived, 3 of them unexplained" in err
    assert main(arguments(tmp_path, 3, file, [legality, tinst])) == 0
    assert "3 mutants, 3 noticed" in capsys.readouterr().err


def test_a_file_without_mutants(tmp_path, capsys):
    assert main(arguments(tmp_path, 1, ("mmu/walkers.py",))) == 2
    assert "no mutants of 'mmu/walkers.py': choose among" in capsys.readouterr().err
