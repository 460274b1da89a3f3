"""The table of extensions and what is derived from it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from entresol.config import CONFIGS, ConfigError, CoreConfig
from entresol.isa.extensions import EXTENSIONS, check, closure, device_tree_extensions, isa_string, misa

BASE = frozenset({"i", "zicsr", "zifencei", "s", "u"})


def of(*extensions):
    return SimpleNamespace(extensions=frozenset(extensions))


def test_rows_name_rows():
    for row in EXTENSIONS.values():
        for other in (*row.requires, *row.implies, *row.conflicts):
            assert other in EXTENSIONS, f"{row.name} names {other}"


def test_what_is_implemented_needs_only_what_is_implemented():
    for row in EXTENSIONS.values():
        if row.implemented:
            assert all(EXTENSIONS[other].implemented for other in (*row.requires, *row.implies)), row.name


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_named_configurations_are_sound(config):
    assert check(config.extensions, False) is None


@pytest.mark.parametrize(("extensions", "advice"), [
    (BASE | {"zfoo"}, "remove it"),
    (BASE | {"H"}, "write it in lower case, as 'h'"),
    (BASE - {"s"} | {"h"}, "H requires S: add 's'"),
    (BASE | {"p"}, "set allow_drafts=True"),
    (BASE | {"f"}, "not implemented"),
    (BASE | {"zca"}, "add 'c'"),
    (BASE - {"zifencei"}, "add 'zifencei'"),
    (BASE | {"zcb"}, "Zcb requires Zca: add 'zca'"),
    pytest.param(BASE - {"zicsr"} | {"zihpm"}, "requires Zicsr: add 'zicsr'",
                 marks=pytest.mark.rule("hpm_counter_op_sz_mode_dependency")),
])
def test_a_bad_choice_is_answered_with_advice(extensions, advice):
    problem = check(extensions, False)
    assert problem is not None and advice in problem and problem.endswith(".") and "\n" not in problem
    with pytest.raises(ConfigError) as refused:
        CoreConfig("bad", extensions, vm_modes=frozenset({"sv39"}))
    assert str(refused.value) == problem


def test_a_draft_is_admitted_only_on_request():
    table = {**EXTENSIONS, "p": replace(EXTENSIONS["p"], implemented=True)}
    assert "draft" in check(BASE | {"p"}, False, table)
    assert check(BASE | {"p"}, True, table) is None
    assert EXTENSIONS["p"].status == "draft" and EXTENSIONS["h"].status == "ratified"


def test_contradictions_are_refused():
    table = {name: replace(row, implemented=True) for name, row in EXTENSIONS.items()}
    assert "Zfinx and F exclude each other" in check(BASE | {"f", "zfinx"}, False, table)
    assert check(BASE | {"zfinx"}, False, table) is None


def test_implied_extensions_satisfy_requirements():
    assert closure({"c", "a"}) == {"c", "zca", "a", "zaamo", "zalrsc"}
    assert check(BASE | {"c", "zcb"}, False) is None


@pytest.mark.rule("base_integer_variants")
def test_isa_string_is_in_canonical_order():
    config = of("i", "m", "a", "c", "h", "s", "u", "svinval", "sstc", "zba", "zicsr", "zifencei", "zcb", "shtvala",
                "smepmp")
    assert isa_string(config) == "rv64imach_zicsr_zifencei_zcb_zba_sstc_svinval_shtvala_smepmp"
    tree = device_tree_extensions(config)
    assert tree[:5] == ["i", "m", "a", "c", "h"]
    assert tree.index("zca") == tree.index("zcb") - 1 and {"zaamo", "zalrsc"} <= set(tree)


@pytest.mark.rule(
    "misa_mxl_enc", "misa_extensions_enc", "misa_b_op", "misa_extensions_op", "misa_i_op", "misa_m_op", "misa_s_op",
    "misa_u_op", "misa_x_op", "misa_c_set",
)
def test_misa():
    assert misa(of("i", "m", "a", "c", "s", "u", "h")) == 2 << 62 | 0x14_1185
    assert misa(of("i", "zba", "zbb")) == 2 << 62 | 1 << 8
    assert misa(of("i", "zba", "zbb", "zbs")) == 2 << 62 | 1 << 8 | 1 << 1


@pytest.mark.parametrize(("changes", "advice"), [
    ({"hpm_counters": 30}, "0 to 29"),
    ({"geilen": 64}, "0 to 63"),
    ({"extensions": BASE, "vm_modes": frozenset({"sv39"}), "geilen": 1}, "add 'h'"),
    pytest.param({"extensions": BASE | {"svnapot"}, "vm_modes": frozenset()}, "Svnapot requires Sv39: add 'sv39'",
                 marks=pytest.mark.rule("Svnapot_depends_Sv39")),
    pytest.param({"extensions": BASE | {"svpbmt"}, "vm_modes": frozenset()}, "Svpbmt requires Sv39: add 'sv39'",
                 marks=pytest.mark.rule("Svpbmt_depends_Sv39")),
    ({"vm_modes": frozenset({"sv39", "sv48", "sv39x4"})}, "Shgatpa requires sv48x4"),
])
def test_numbers_and_modes_that_cannot_be(changes, advice):
    with pytest.raises(ConfigError) as refused:
        replace(CONFIGS["linux"], **changes)
    assert advice in str(refused.value)


def test_leaving_extensions_out():
    linux = CONFIGS["linux"]
    assert linux.without("zba").extensions == linux.extensions - {"b", "zba"}
    assert linux.without("shtvala").has("shgatpa") and not linux.without("shtvala").has("sha")
    assert not linux.without("a").has("zawrs") and not linux.without("zaamo").has("zalrsc")
    bare = replace(linux, geilen=3).without("h")
    assert bare.geilen == 0 and bare.vm_modes == {mode for mode in linux.vm_modes if not mode.endswith("x4")}
    assert bare.name == "linux-h"


@pytest.mark.rule("Sv48_requires_Sv39", "Sv57_requires_Sv48")
@pytest.mark.parametrize(("modes", "below"), [({"sv48"}, "sv39"), ({"sv39", "sv39x4", "sv57"}, "sv48")])
def test_wider_translation_comes_with_the_narrower(modes, below):
    with pytest.raises(ConfigError, match=f"requires {below}"):
        replace(CONFIGS["linux"], vm_modes=frozenset(modes))


@pytest.mark.parametrize("what, least", [("itlb_entries", 2), ("l2tlb_entries", 2), ("bht_entries", 16)])
def test_tables_have_a_least_size(what, least):
    replace(CONFIGS["small"], **{what: least})
    for size in (least // 2, least + 1):
        with pytest.raises(ConfigError, match=f"{what} is {size}: make it a power of two of at least {least}"):
            replace(CONFIGS["small"], **{what: size})
