"""The harness around a small machine: memory, console, observation, HTIF, waveforms, both simulators."""

import json
import re

import pytest

from entresol_sim import Console, Result, Simulator, UserError

BASE = 0x8000_0000
DATA = BASE + 0x8000
TOHOST, FROMHOST = DATA + 0x1000, DATA + 0x1040
PASS = 0x5555
RAM = 1 << 20
OKAY, DECERR = 0, 3
FIXED, INCR, WRAP = 0, 1, 2


@pytest.fixture(params=["verilator", "amaranth"])
def both(machine, request):
    """The machine in either simulator."""
    return lambda *instructions, **parameters: machine(*instructions, backend=request.param, **parameters)


def fold(words):
    value = 0
    for word in words:
        value = (value << 1 ^ word) & (1 << 64) - 1
    return value


def memory_after(simulator) -> bytes:
    simulator.flush()
    return simulator.memory.read(DATA, 64)


def test_console(both, ops):
    simulator = both((ops.PUT, ord("a")), (ops.ECHO,), (ops.ECHO,), (ops.PUT, ord("b")), (ops.FINISH, PASS))
    console = Console(b"xyz")
    outcome = simulator.run(10_000, console)
    assert (outcome.result, outcome.status, outcome.text) == (Result.PASSED, 0, "powered off")
    assert console.output == b"axyb"


@pytest.mark.parametrize("value, status, text", [
    (0x5555, 0, "powered off"), (0x3333 | 42 << 16, 1, "failed with code 42"), (0x3333, 1, "failed with code 0"),
    (0x7777, 1, "reset"),
])  # fmt: skip
def test_finisher(machine, ops, value, status, text):
    outcome = machine((ops.FINISH, value)).run(1000)
    assert outcome.status == status and text in outcome.text


def test_guest_interrupts_are_those_of_the_configuration(machine, ops):
    for simulator in (machine((ops.FINISH, PASS)), Simulator("small")):
        with pytest.raises(UserError, match="choose a configuration with geilen above 0"):
            simulator.guest_interrupts(2)
    for levels in (1, 0x200, -2):
        with pytest.raises(UserError, match="use bits 1 to 8"):
            Simulator("max").guest_interrupts(levels)


def test_same_cycles_in_both_simulators(machine, ops):
    """Every counter agrees after a program that uses every device."""
    program = [
        (ops.STORE, 3, DATA, 0x1122334455667788), (ops.STORE, 0, DATA + 9, 0xAB), (ops.STORE, 1, DATA + 10, 0xCDEF),
        (ops.ECHO,), (ops.MODE, 1), (ops.TRAP, 8 | 3 << 7), (ops.SLEEP, 50, 1), (ops.SLEEP, 30),
        (ops.READ, 7 | WRAP << 8, DATA + 24, 0x1122334455667788 << 2 ^ 0xCDEFAB00 << 1),
        (ops.PUT, ord("!")), (ops.FINISH, PASS),
    ]  # fmt: skip
    results = []
    for backend in ("verilator", "amaranth"):
        simulator = machine(*program, backend=backend, mtime_divider=7, ram_latency=13)
        console = Console(b"?")
        stops = [simulator.run(limit, console).status for limit in (100, 101, 250)]
        outcome = simulator.run(10_000, console)
        statistics = simulator.statistics()
        for varying in ("wall_seconds", "cycles_per_second"):
            del statistics[varying]
        results.append((stops, outcome, bytes(console.output), memory_after(simulator), statistics))
    assert results[0] == results[1]
    assert results[0][0] == [3, 3, 3] and results[0][2] == b"?!"


class TestMemory:
    def test_burst_timing(self, machine, ops):
        """The first beat comes `ram_latency` cycles after the address, the others one by one."""
        cycles = {}
        for latency in (1, 10, 20):
            simulator = machine((ops.FINISH, PASS), ram_latency=latency)
            simulator.run(1000)
            cycles[latency] = simulator.cycle
        assert cycles[10] - cycles[1] == 9 and cycles[20] - cycles[10] == 10
        # cycle 1: start, 2: address, 12..15: four beats, 16: execution, 17: the finisher says so
        assert cycles[10] == 17

    @pytest.mark.parametrize("start, kind, order", [
        (0, INCR, range(8)), (3, WRAP, [3, 4, 5, 6, 7, 0, 1, 2]), (0, WRAP, range(8)), (5, FIXED, [5] * 8),
    ])  # fmt: skip
    def test_bursts(self, machine, ops, start, kind, order):
        words = [0x0101010101010101 * (n + 1) ^ 0xF0F << n for n in range(8)]
        expected = fold(words[n] for n in order)
        simulator = machine((ops.READ, 7 | kind << 8, DATA + 8 * start, expected), (ops.FINISH, PASS))
        simulator.memory.write(DATA, b"".join(word.to_bytes(8, "little") for word in words))
        assert simulator.run(1000).result is Result.PASSED
        assert simulator.statistics()["memory"]["read_beats"] == 4 + 8 + 4

    @pytest.mark.parametrize("address, response", [
        (BASE, OKAY), (BASE + RAM - 8, OKAY), (BASE + RAM, DECERR), (BASE - 8, DECERR), (0xFFFF_FFF8, DECERR),
    ])  # fmt: skip
    def test_outside(self, machine, ops, address, response):
        expected = 0
        if response == OKAY:
            expected = int(ops.READ) | (response << 10) << 8 if address == BASE else 0
        simulator = machine((ops.READ, response << 10, address, expected), (ops.FINISH, PASS))
        assert simulator.run(1000).result is Result.PASSED

    def test_wrong_data_is_noticed(self, machine, ops):
        assert machine((ops.READ, 0, DATA, 1), (ops.FINISH, PASS)).run(1000).code == 7

    def test_stores(self, machine, ops):
        simulator = machine(
            (ops.STORE, 3, DATA, 0x1122334455667788), (ops.STORE, 0, DATA + 1, 0xAA), (ops.STORE, 1, DATA + 2, 0xBBCC),
            (ops.STORE, 2, DATA + 12, 0xDDEEFF00), (ops.READ, 0, DATA, 0x11223344BBCCAA88),
            (ops.READ, 0, DATA + 8, 0xDDEEFF00 << 32), (ops.FINISH, PASS),
        )  # fmt: skip
        assert simulator.run(10_000).result is Result.PASSED

    def test_flush(self, both, ops):
        simulator = both((ops.STORE, 3, DATA, 5), (ops.FINISH, PASS))
        simulator.run(10_000)
        assert simulator.memory.read_word(DATA) == 0
        simulator.flush()
        assert simulator.memory.read_word(DATA) == 5

    def test_flush_in_the_middle(self, machine, ops):
        simulator = machine((ops.STORE, 3, DATA, 5), (ops.SLEEP, 5000), (ops.FINISH, PASS))
        assert simulator.run(1000).result is Result.CYCLE_LIMIT
        simulator.flush()
        assert simulator.memory.read_word(DATA) == 5
        assert simulator.run(100_000).result is Result.PASSED

    def test_flush_that_never_ends(self, machine, ops):
        simulator = machine((ops.SLEEP, 1 << 40), watchdog=0)
        simulator.run(100)
        with pytest.raises(TimeoutError):
            simulator.flush()


class TestSignature:
    def test_lines(self, machine, ops):
        simulator = machine((ops.STORE, 3, DATA, 0x1122334455667788), (ops.FINISH, PASS))
        simulator.symbols = {"begin_signature": DATA, "end_signature": DATA + 12}
        simulator.run(1000)
        assert simulator.signature() == "55667788\n11223344\n00000000\n"
        assert simulator.signature(8) == "1122334455667788\n0000000000000000\n"

    @pytest.mark.parametrize("symbols", [{}, {"begin_signature": DATA}, {"begin_signature": 8, "end_signature": 0},
                                         {"begin_signature": DATA, "end_signature": BASE + RAM + 4}])  # fmt: skip
    def test_no_range(self, machine, ops, symbols):
        simulator = machine((ops.FINISH, PASS))
        simulator.symbols = symbols
        with pytest.raises(UserError):
            simulator.signature()


class TestLimits:
    def test_cycles(self, machine, ops):
        simulator = machine((ops.SLEEP, 1 << 40), watchdog=0)
        for limit in (1, 2, 20_000, 100_000):
            assert simulator.run(limit).status == 3
            assert simulator.cycle == limit

    def test_hang(self, machine, ops):
        simulator = machine((ops.MODE, 5), (ops.MODE, 4), (ops.SLEEP, 1 << 40), watchdog=500)
        outcome = simulator.run(10_000)
        assert outcome.status == 4
        assert re.search(r"last pc 0x80000020 in mode VS at cycle \d+; it waits for the data cache", outcome.text)
        assert 500 < simulator.cycle < 600

    def test_traps_are_no_progress(self, machine, ops):
        simulator = machine(*[(ops.TRAP, 1 | 3 << 7)] * 200, watchdog=500)
        outcome = simulator.run(10_000)
        assert outcome.status == 4 and "last to M: instruction access fault" in outcome.text

    def test_wfi_has_more_time(self, machine, ops):
        assert machine((ops.SLEEP, 40_000, 1), (ops.FINISH, PASS), watchdog=500).run(200_000).status == 0
        outcome = machine((ops.SLEEP, 1 << 40, 1), watchdog=500).run(200_000)
        assert outcome.status == 4 and "an interrupt (WFI)" in outcome.text

    def test_wfi_while_input_may_come(self, machine, ops):
        class Open(Console):
            is_open = True

        simulator = machine((ops.SLEEP, 1 << 40, 1), watchdog=500)
        assert simulator.run(200_000, Open()).status == 3


class TestObservation:
    def test_modes_and_traps(self, machine, ops):
        simulator = machine(
            (ops.MODE, 1), (ops.PUT, 65), (ops.PUT, 66), (ops.TRAP, 8 | 3 << 7), (ops.TRAP, 8 | 3 << 7),
            (ops.TRAP, 5 | 1 << 6 | 5 << 7), (ops.MODE, 5), (ops.PUT, 67), (ops.FINISH, PASS),
        )  # fmt: skip
        simulator.run(10_000)
        statistics = simulator.statistics()
        assert {name: row["instructions"] for name, row in statistics["modes"].items()} == {
            "M": 1, "HS": 3, "U": 0, "VS": 2, "VU": 0,
        }  # fmt: skip
        assert sum(row["cycles"] for row in statistics["modes"].values()) == statistics["cycles"] == simulator.cycle
        # every instruction takes the same time: a mode's cycles are its commits'
        assert statistics["modes"]["HS"]["cycles"] > 2 * statistics["modes"]["VS"]["cycles"] - 20
        assert [tuple(row.values()) for row in statistics["traps"]] == [
            ("HS", "M", "exception", 8, "ecall from u", 2),
            ("HS", "VS", "interrupt", 5, "STI interrupt", 1),
        ]
        assert statistics["instructions"] == 6
        assert statistics["lost_cycles"]["frontend"] == 9 * 13
        json.dumps(statistics)

    def test_commit_log(self, machine, ops, tmp_path):
        simulator = machine(
            (ops.STORE, 1, DATA + 2, 0xBEEF), (ops.STORE, 3, DATA, 1), (ops.READ, 0, DATA, 1), (ops.TRAP, 2 | 3 << 7),
            (ops.CSR, 0x340, 0x77), (ops.CSR, 0x300 | 31 << 12, 0x1800, 9), (ops.CSR, 1 | 7 << 12, 2, 3),
            (ops.CSR, 0x7C0 | 1 << 12, 2, 3), (ops.MODE, 5), (ops.FINISH, PASS),
        )  # fmt: skip
        simulator.commit_log(tmp_path / "log")
        simulator.run(10_000)
        simulator.close()
        lines = (tmp_path / "log").read_text().splitlines()
        assert lines == [
            "core   0: 3 0x0000000080000000 (0x0102) mem 0x0000000080008002 0xbeef",
            "core   0: 3 0x0000000080000020 (0x0302) mem 0x0000000080008000 0x0000000000000001",
            "core   0: 3 0x0000000080000040 (0x0008) x10 0x0000000000000001 mem 0x0000000080008000",
            "core   0: 3 0x0000000080000080 (0x4009) c832_mscratch 0x0000000000000077",
            "core   0: 3 0x00000000800000a0 (0x0009) x31 0x0000000000000009 c768_mstatus 0x0000000000001800",
            "core   0: 3 0x00000000800000c0 (0x0109) c1_unknown-csr 0x0000000000000002 x7  0x0000000000000003",
            "core   0: 3 0x00000000800000e0 (0xc009) x1  0x0000000000000003 c1984_unknown-csr 0x0000000000000002",
            "core   0: 3 0x0000000080000100 (0x0506)",
            "core   0: 1 0x0000000080000120 (0x5500)",
        ]

    def test_log_that_cannot_be_written(self, machine, ops):
        simulator = machine(*[(ops.PUT, 65)] * 1000, (ops.FINISH, PASS))
        simulator.commit_log("/dev/full")
        with pytest.raises(UserError, match="commit-log"):
            simulator.run(1_000_000)
            simulator.close()

    def test_trace(self, machine, ops, tmp_path):
        path = tmp_path / "x.vcd"
        simulator = machine((ops.PUT, 65), (ops.FINISH, PASS), trace=path, trace_from=5, trace_to=20)
        simulator.run(1000)
        assert simulator.cycle > 25
        simulator.close()
        times = [int(line[1:]) for line in path.read_text().splitlines() if line.startswith("#")]
        assert times[0] == 2 * 5 and times[-1] == 2 * 20 + 1

    def test_time(self, machine, ops):
        """mtime ticks once in so many cycles."""
        for divider, ticks in ((1, 1000), (10, 100)):
            simulator = machine((ops.TICKS, ticks), (ops.FINISH, PASS), mtime_divider=divider)
            simulator.run(10_000)
            assert abs(simulator.cycle - 1000) < 20


class TestHtif:
    @pytest.fixture
    def htif(self, both):
        def make(*instructions, fromhost=True, **parameters):
            simulator = both(*instructions, **parameters)
            simulator.symbols = {"tohost": TOHOST} | ({"fromhost": FROMHOST} if fromhost else {})
            return simulator

        return make

    @pytest.mark.parametrize("value, status, code", [(1, 0, 0), (5 << 1 | 1, 1, 5), (1337 << 1 | 1, 1, 1337)])
    @pytest.mark.parametrize("size", [2, 3])
    def test_result(self, htif, ops, value, status, code, size):
        simulator = htif((ops.STORE, size, TOHOST, value), (ops.SLEEP, 1 << 40), watchdog=1000)
        outcome = simulator.run(10_000)
        assert (outcome.status, outcome.code) == (status, code)

    def test_upper_half_first_or_last(self, htif, ops):
        """A command that is written in halves counts when it is whole."""
        for halves in ((0, 1), (1, 0)):
            words = [(ops.STORE, 2, TOHOST, ord("A")), (ops.STORE, 2, TOHOST + 4, 0x01010000)]
            simulator = htif(*(words[half] for half in halves), (ops.AWAIT, 0, TOHOST, 0), (ops.FINISH, PASS))
            console = Console()
            assert simulator.run(10_000, console).status == 0
            assert console.output == b"A"

    def test_console(self, htif, ops):
        put, get = 0x0101 << 48, 0x0100 << 48
        simulator = htif(
            (ops.STORE, 3, TOHOST, put | ord("h")), (ops.AWAIT, 0, TOHOST, 0),
            (ops.STORE, 3, TOHOST, put | ord("i")), (ops.AWAIT, 0, TOHOST, 0),
            (ops.STORE, 3, TOHOST, get), (ops.AWAIT, 0, FROMHOST, get | 0x100 | ord("x")),
            (ops.STORE, 3, FROMHOST, 0), (ops.STORE, 3, TOHOST, get),
            (ops.AWAIT, 0, FROMHOST, get | 0x100 | ord("y")), (ops.STORE, 3, TOHOST, 1), (ops.SLEEP, 1 << 40),
        )  # fmt: skip
        console = Console(b"xyz")
        assert simulator.run(50_000, console).status == 0
        assert console.output == b"hi"

    def test_responses_wait_for_fromhost(self, htif, ops):
        """A response is held back until the program has taken the one before."""
        get = 0x0100 << 48
        simulator = htif(
            (ops.STORE, 3, TOHOST, get), (ops.AWAIT, 0, TOHOST, 0), (ops.STORE, 3, TOHOST, get),
            (ops.AWAIT, 0, TOHOST, 0), (ops.AWAIT, 0, FROMHOST, get | 0x100 | ord("x")), (ops.SLEEP, 500),
            (ops.READ, 0, FROMHOST, get | 0x100 | ord("x")), (ops.STORE, 3, FROMHOST, 0),
            (ops.AWAIT, 0, FROMHOST, get | 0x100 | ord("y")), (ops.FINISH, PASS),
        )  # fmt: skip
        assert simulator.run(60_000, Console(b"xy")).status == 0

    @staticmethod
    def call(simulator, *words):
        for index, word in enumerate(words):
            simulator.memory.write_word(DATA + 8 * index, word)

    def test_write(self, htif, ops):
        simulator = htif(
            (ops.STORE, 3, DATA + 0x100, int.from_bytes(b"written!", "little")), (ops.STORE, 3, TOHOST, DATA),
            (ops.AWAIT, 0, FROMHOST, 1), (ops.READ, 0, DATA, 7), (ops.FINISH, PASS),
        )  # fmt: skip
        self.call(simulator, 64, 1, DATA + 0x100, 7)
        console = Console()
        assert simulator.run(10_000, console).status == 0
        assert console.output == b"written"

    def test_write_to_unknown_descriptor(self, htif, ops):
        simulator = htif((ops.STORE, 3, TOHOST, DATA), (ops.AWAIT, 0, FROMHOST, 1),
                         (ops.READ, 0, DATA, -9 & (1 << 64) - 1), (ops.FINISH, PASS))  # fmt: skip
        self.call(simulator, 64, 3, DATA, 1)
        assert simulator.run(10_000).status == 0

    @pytest.mark.parametrize("code, status", [(0, 0), (3, 1)])
    def test_exit(self, htif, ops, code, status):
        simulator = htif((ops.STORE, 3, TOHOST, DATA), (ops.SLEEP, 1 << 40), fromhost=False)
        self.call(simulator, 93, code)
        outcome = simulator.run(10_000)
        assert (outcome.status, outcome.code) == (status, code)

    @pytest.mark.parametrize("words, message", [([1234], "system call 1234"), ([64, 1, 0x1000, 4], "bad address"),
                                                ([64, 1, DATA, 1 << 60], "bad address")])  # fmt: skip
    def test_impossible(self, htif, ops, words, message):
        simulator = htif((ops.STORE, 3, TOHOST, DATA), (ops.SLEEP, 1 << 40))
        self.call(simulator, *words)
        outcome = simulator.run(10_000)
        assert outcome.status == 1 and message in outcome.text

    def test_identity(self, htif, ops):
        simulator = htif((ops.STORE, 3, TOHOST, 0x01FF << 48 | DATA << 8 | 0xFF), (ops.AWAIT, 0, TOHOST, 0),
                         (ops.FINISH, PASS))  # fmt: skip
        assert simulator.run(10_000).status == 0
        assert simulator.memory.read(DATA, 8) == b"bcd\0\0\0\0\0"

    def test_input_goes_to_the_uart_once_it_is_used(self, htif, ops):
        simulator = htif((ops.SLEEP, 100), (ops.PUT, ord(">")), (ops.ECHO,), (ops.FINISH, PASS))
        console = Console(b"x")
        assert simulator.run(100_000, console).status == 0
        assert console.output == b">x"
