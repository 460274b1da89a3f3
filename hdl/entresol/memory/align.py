"""Bytes within an aligned doubleword: masks, rotation and extension.

The functions that take a module give their intermediate results signals of their own in it, because an expression
used twice is logic written twice.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value


def named(m: Module, name: str, value: Value) -> Signal:
    """`value` as a signal."""
    signal = Signal(Value.cast(value).shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def byte_mask(size: Value, offset: Value) -> Value:
    """The bytes an access touches, 16 bits: bits 7:0 in the doubleword that holds its first byte, bits 15:8 in the
    next one.  `size` is log2 of the bytes (2 bits), `offset` the position in the doubleword (3 bits)."""
    ones = Cat(Const(1, 1), size != 0, (size[1]).replicate(2), (size == 3).replicate(4))
    return Cat((ones << offset)[:15], Const(0, 1))


def crosses(size: Value, offset: Value) -> Value:
    """Whether the access continues in the next doubleword."""
    return byte_mask(size, offset)[8:].any()


def misaligned(size: Value, offset: Value) -> Value:
    """Whether the access is not naturally aligned."""
    return ((size >= 1) & offset[0]) | ((size >= 2) & offset[1]) | ((size == 3) & offset[2])


def rotate_down(m: Module, word: Value, offset: Value) -> Value:
    """`word` (64 bits) rotated right by `offset` bytes: brings the byte at `offset` to the bottom."""
    for bit in (2, 1, 0):
        word = named(m, f"down{8 << bit}", Mux(offset[bit], word.rotate_right(8 << bit), word))
    return word


def rotate_up(m: Module, word: Value, offset: Value) -> Value:
    """`word` (64 bits) rotated left by `offset` bytes: brings the bottom byte to `offset`."""
    for bit in (0, 1, 2):
        word = named(m, f"up{8 << bit}", Mux(offset[bit], word.rotate_left(8 << bit), word))
    return word


def brought_down(m: Module, word: Value, offset: Value) -> Value:
    """`word` (64 bits) as by `rotate_down`, for an access that does not continue in the next doubleword, with less
    logic: only the bytes of the access are right.  Eight of them begin at 0, four at 3 or 4 at most."""
    from4 = named(m, "from4", Cat(Mux(offset[2], word[32:], word[:32]), word[32:56]))
    from2 = named(m, "from2", Mux(offset[1], from4[16:], from4[:40]))
    return Cat(named(m, "from1", Mux(offset[0], from2[8:], from2[:32])), word[32:])


def sign_bit(m: Module, word: Value, offset: Value, size: Value) -> Value:
    """The topmost bit of the 1 << size bytes from `offset` on in `word` (64 bits; wrapping around at its end), found
    beside the rotation rather than behind it."""
    last = named(m, "last", (offset + Cat(size != 0, size[1], size == 3))[:3])  # the last byte's position: +0, 1, 3, 7
    low, high = (named(m, f"sign{half}", Array(word[8 * byte + 7] for byte in range(half, half + 4))[last[:2]])
                 for half in (0, 4))
    return named(m, "sign", Mux(last[2], high, low))


def extended(word: Value, sign: Value, size: Value) -> Value:
    """The lowest 1 << size bytes of `word` (64 bits), and `sign` (1 bit) in the rest."""
    return Cat(
        word[:8],
        Mux(size == 0, sign.replicate(8), word[8:16]),
        Mux(size[1], word[16:32], sign.replicate(16)),
        Mux(size == 3, word[32:], sign.replicate(32)),
    )
