"""Making failing programs short, and making programs."""

from entresol.config import get_config
from entresol_sim.lockstep.generate import Generator
from entresol_sim.lockstep.layout import Block, Image, Op
from entresol_sim.lockstep.minimise import minimise


def test_only_what_is_needed_stays():
    blocks = [Block(n, [Op("addi", imm=10 * n + i) for i in range(6)]) for n in range(20)]
    blocks.append(Block(20, [Op("ecall")], removable=False))

    def fails(image: Image) -> bool:
        values = {op.imm for block in image.blocks for op in block.ops if op.name == "addi"}
        return {33, 34, 171} <= values

    short = minimise(Image("x", blocks), fails, 60)
    assert [op.imm for block in short.blocks for op in block.ops if op.name == "addi"] == [33, 34, 171]
    assert short.blocks[-1].ops == [Op("ecall")]


def test_a_seed_gives_one_program():
    generator = Generator(get_config("linux"))
    first, again = (generator.generate(7, 40).program() for _ in range(2))
    assert first == again
    assert first != generator.generate(8, 40).program()


def test_all_blocks_are_made():
    """Every configuration and reference gets programs that can be encoded."""
    for name in ("small", "linux", "max"):
        for missing, avoided in ((frozenset(), frozenset()), (frozenset({"smstateen", "svadu"}), frozenset({"PMP"}))):
            generator = Generator(get_config(name), missing, avoided)
            for seed in range(3):
                assert generator.generate(seed, 200).program().segments
