"""Shapes between the front end and the rest of the pipeline."""

from amaranth.lib import data, enum


class BranchKind(enum.Enum, shape=2):
    """What the predictor needs to know of a control transfer."""

    BRANCH = 0  # conditional
    JUMP = 1
    CALL = 2  # links x1 or x5: pushes the return stack
    RETURN = 3  # jalr through x1 or x5: pops it


class FetchedInstr(data.Struct):
    """One instruction in program order."""

    pc: 64  # bytes
    pred_target: 64
    insn: 32  # expanded to 32 bits when compressed; 0 when the 16-bit encoding is illegal
    raw: 32  # as fetched; the upper half is 0 when compressed, from X on
    rvc: 1
    pred_taken: 1  # the front end went on at pred_target rather than behind the instruction
    fault: 1  # could not be fetched: FetchPort.fault says why, insn is meaningless
    fault_high: 1  # the fault is in the second half (pc + 2)


class BranchUpdate(data.Struct):
    """The outcome of a control transfer, from the stage that resolves it: one pulse of `valid` each, and one of
    `redirected` before it or with it, if the front end was redirected; in between there is no other's."""

    pc: 64
    target: 64
    valid: 1  # it is retiring, as far as it is up to itself
    redirected: 1  # fetching went on behind it in the last cycle
    rvc: 1
    kind: BranchKind
    taken: 1
    mispredicted: 1
