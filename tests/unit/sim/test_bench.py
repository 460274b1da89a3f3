"""The benchmarks' catalog, their reports and the command, without a model."""

import json

import pytest

from entresol.config import get_config
from entresol_sim import cli
from entresol_sim.bench import report, run
from entresol_sim.bench.catalog import GROUPS, KERNELS, Figure, Job, choose, jobs, matches
from entresol_sim.errors import UserError

LINUX, SMALL = get_config("linux"), get_config("small")


def test_names_are_unique_and_in_their_groups():
    names = [figure.name for job in jobs() for figure in job.figures]
    assert len(names) == len(set(names))
    assert {job.group for job in jobs()} == set(GROUPS)
    assert all(figure.name.split(".")[0] == job.group.split("_")[0] for job in jobs() for figure in job.figures)


def test_every_program_compiles():
    assert all(job.build().exists() for job in {job.program: job for job in jobs()}.values())


def test_choosing():
    assert choose([], LINUX) == list(jobs())
    assert {job.group for job in choose(["traps", "csr.read"], LINUX)} == {"traps", "csr"}
    assert [job.figures[0].name for job in choose(["integer.crc"], LINUX)] == [
        "integer.crc.native", "integer.crc.guest_2m", "integer.crc.guest_4k",
    ]  # fmt: skip
    assert len(choose(["integer.crc.guest_4k"], LINUX)) == 1
    assert not any(job.group == "svinval" for job in choose([], SMALL))
    native = choose([], LINUX.without("h"))
    assert native and all(job.group in ("tlb", "tlb_large", *KERNELS) for job in native)
    assert matches("tlb.sv39.load.8", "tlb.sv39") and not matches("tlb.sv39.load.8", "tlb.sv")


@pytest.mark.parametrize(
    "choice, config, message",
    [("trap", LINUX, "no benchmark 'trap'"), ("svinval", SMALL, "needs h and svinval"),
     ("csr", LINUX.without("h"), "needs h")],
)  # fmt: skip
def test_choosing_what_is_not_there(choice, config, message):
    with pytest.raises(UserError, match=message):
        choose([choice], config)


JOB = Job("traps", "traps", 0, (Figure("traps.a", "A"), Figure("traps.b", "B", "trap")))


def test_figures_of_a_program():
    figures = run._figures(JOB, "result traps.a 16 224 0\nresult traps.b 3 -1 0\n")
    assert [(figure.unit, figure.value) for figure in figures.values()] == [("operation", 14), ("trap", -0.33)]


@pytest.mark.parametrize("text", ["", "result traps.a 1 1 0\n", "result traps.b 1 1 0\nresult traps.a 1 1 0\n"])
def test_a_program_that_measures_something_else(text):
    with pytest.raises(UserError, match=r"traps\.a, traps\.b"):
        run._figures(JOB, text)


def measured(**values):
    return {
        "config": run._described(LINUX),
        "memory_latency": 10,
        "compiler": "zig 1",
        "figures": {
            name.replace("__", "."): {"unit": "byte", "count": 1, "cycles": value, "instructions": 50, "value": value}
            for name, value in values.items()
        },
        "simulation": {"cycles": 10, "seconds": 0.1, "cycles_per_second": 100, "machine": "a machine"},
    }


def test_tables_show_what_there_is():
    text = report.tables(measured(traps__ecall__u_to_m=14, csr__write__satp=5, tlb__sv39__load__64=4.5))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Traps and interrupts", "## CSR accesses", "## TLB misses",
    ]  # fmt: skip
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert ["ECALL from U to M and back", "14"] in rows
    assert ["`satp` in HS", "", "5"] in rows
    assert ["load: HS, Sv39", "", "4.5", ""] in rows


def test_the_loss_of_a_guest():
    text = report.tables(measured(integer__crc__native=100, integer__crc__guest_2m=110, integer__crc__guest_4k=99))
    assert "|    100 | 0.500 |       110 | 10.0 % |        99 | -1.0 % |" in text
    assert "100 | 0.500 |           |" in report.tables(measured(integer__crc__native=100))


def test_the_page_names_what_was_measured():
    text = report.page(measured(traps__ecall__u_to_m=14))
    for part in ("`linux`", "16 KiB, 4 way(s)", "10 cycles to the first data", "zig 1", "a machine"):
        assert part in text


class TestCommand:
    def test_list(self, capsys):
        assert cli.main(["bench", "--list"]) == 0
        assert "traps.ecall.u_to_m" in capsys.readouterr().out

    def test_mistakes(self, capsys, tmp_path):
        for arguments in (["nothing"], ["traps", "--config", "big"], ["traps", "--json", str(tmp_path)]):
            assert cli.main(["bench", *arguments]) == 2
            assert len(capsys.readouterr().err.splitlines()) == 1

    def test_update(self, monkeypatch, capsys, tmp_path):
        new = measured(traps__ecall__u_to_m=14, traps__interrupt__hs=12)
        monkeypatch.setattr(cli.import_module("entresol_sim.commands.bench"), "run_jobs", lambda *_: new)
        path = tmp_path / "a.json"
        update = ["bench", "traps", "--quiet", "--update", "--json", str(path)]
        assert cli.main(update) == 2 and "cannot be read" in capsys.readouterr().err
        path.write_text("{}")
        assert cli.main(update) == 2 and "no figures" in capsys.readouterr().err
        path.write_text(json.dumps(measured(traps__ecall__u_to_m=15, csr__write__satp=5)))
        assert cli.main(update) == 0
        figures = json.loads(path.read_text())["figures"]
        assert {name: figure["value"] for name, figure in figures.items()} == {
            "traps.ecall.u_to_m": 14, "traps.interrupt.hs": 12, "csr.write.satp": 5,
        }  # fmt: skip
        path.write_text(json.dumps(measured() | {"memory_latency": 20}))
        assert cli.main(update) == 2 and "another memory latency" in capsys.readouterr().err
        assert cli.main(["bench", "traps", "--update"]) == 2 and "--json" in capsys.readouterr().err

    def test_outputs(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr(cli.import_module("entresol_sim.commands.bench"), "run_jobs",
                            lambda *_: measured(traps__ecall__u_to_m=14))  # fmt: skip
        json_file, page = tmp_path / "a.json", tmp_path / "a.md"
        assert cli.main(["bench", "traps", "--json", str(json_file), "--markdown", str(page)]) == 0
        assert "ECALL from U to M and back |     14 |" in capsys.readouterr().out
        assert json.loads(json_file.read_text())["figures"]["traps.ecall.u_to_m"]["value"] == 14
        assert page.read_text() == report.page(json.loads(json_file.read_text()))
