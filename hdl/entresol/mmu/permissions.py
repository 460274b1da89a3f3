"""What a cached translation allows, and the one function that decides whether an access is permitted by it."""

from amaranth.hdl import Mux, Value
from amaranth.lib import data

from ..isa.privilege import Access, Priv


class Permissions(data.Struct):
    """Permissions of one page with both stages, PMP, PMA and PBMT folded in (10 bits).

    Execute-only pages become readable through MXR, which acts on the stages separately and changes without a fence,
    hence the separate read and execute bits.  All of them imply A=1, `w` also D=1, in every stage.
    """

    r1: 1  # first stage R, and PMP readable
    x1: 1  # first stage X, and PMP readable (for MXR and HLVX)
    r2: 1  # G-stage R
    x2: 1  # G-stage X
    w: 1  # writable: W and D of both stages, PMP
    x: 1  # executable: X of both stages, PMP, main memory
    s: 1  # accessible to S (and M) without SUM
    u: 1  # accessible to U
    io: 1  # uncached, strongly ordered
    nc: 1  # with io: main memory all the same (PBMT=NC)


def fold(first, second, paged, pmp, io) -> dict[str, Value]:
    """The members of `Permissions` but the memory type (1 bit each), from what the parts allow.

    `first` and `second` are the leaves of the stages (members r, w with D, x, u), all ones where a stage is off;
    `paged` says that the first stage is on, `pmp` is the verdict on the physical address (r, w, x) and `io` that it
    is I/O memory, by PMA or PBMT.  The U bit of the G-stage is the walk's to check: every access there is a user's.
    """
    return {
        "r1": first.r & pmp.r,
        "x1": first.x & pmp.r,
        "r2": second.r,
        "x2": second.x,
        "w": first.w & second.w & pmp.w,
        "x": first.x & second.x & pmp.x & ~io,
        "s": ~paged | ~first.u,
        "u": ~paged | first.u,
    }


def first_stage_mxr(ctx, v) -> Value:
    """MXR as the first stage sees it: HS-level MXR covers both stages, vsstatus.MXR only the VS-stage."""
    return ctx.mxr | v & ctx.vmxr


def user_allowed(user_page, supervisor_page, ctx, mode, access) -> Value:
    """The U-bit rule (1 bit).  SUM opens user pages to loads and stores of S, never to its fetches; the SUM of the
    access's own virtualization mode counts."""
    effective_sum = Mux(mode.v, ctx.vsum, ctx.sum) & (access != Access.FETCH)
    return Mux(mode.priv == Priv.U, user_page, supervisor_page | effective_sum)


def permitted(perms, ctx, mode, access, hlvx) -> Value:
    """Whether `perms` allow the access (1 bit).

    HLVX wants execute permission in both stages and memory that is readable and executable for PMP and PMA
    (hypervisor chapter, "Hypervisor Virtual-Machine Load and Store Instructions").
    """
    load = (perms.r1 | perms.x1 & first_stage_mxr(ctx, mode.v)) & (perms.r2 | perms.x2 & ctx.mxr)
    kind = Mux(
        access == Access.STORE, perms.w, Mux(access == Access.FETCH, perms.x, Mux(hlvx, perms.x & perms.x1, load))
    )
    return kind & user_allowed(perms.u, perms.s, ctx, mode, access)
