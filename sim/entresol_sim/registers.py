"""Makes Verilog quicker to simulate, and to read: registers keep their values instead of copying them.

Yosys writes a register with conditional assignments in two pieces,

    always @(posedge clk)
      count <= \\$7 ;
    always_comb begin
      \\$7  = count;
      if (enable) begin
        \\$7  = next;
      end
    end

and Verilator then copies `count` twice in every cycle.  Most registers of a core change rarely, so that these copies
are a tenth of all the work.
"""

import re
from collections import Counter

_NAME = r"(?:\\\S+ |\w+)"
_CLOCKED = re.compile(rf"^  always @\(posedge clk\)\n    ({_NAME}) ?<= (\\\$\d+ );\n", re.MULTILINE)
_NEXT = re.compile(
    rf"^  always_comb begin\n    if \(\S+ \) begin end\n    (\\\$\d+ ) = ({_NAME});\n(.*?)^  end\n",
    re.MULTILINE | re.DOTALL,
)
_INTERNAL = re.compile(r"\\\$\d+ ")


def merge(verilog: str) -> str:
    """`verilog` with both pieces in one clocked process, wherever the value between them serves nothing else."""
    return "".join(_merge_module(module) for module in re.split(r"(?m)^(?=module )", verilog))


def _merge_module(module: str) -> str:
    uses = Counter(_INTERNAL.findall(module))
    clocked = {match[2]: match for match in _CLOCKED.finditer(module)}
    edits = []
    for match in _NEXT.finditer(module):
        following, register, body = match.groups()
        assignment = re.compile(rf"^( *){re.escape(following)}((?:\[[\d:]+\] ?)?) *= ", re.MULTILINE)
        changes = len(assignment.findall(body))
        # besides these: its declaration, the copy at the beginning, and the clocked process
        if following not in clocked or clocked[following][1].strip() != register.strip() \
                or uses[following] != changes + 3:
            continue
        body = assignment.sub(lambda found, register=register: f"{found[1]}{register}{found[2]} <= ", body)
        edits.append((*match.span(), f"  always @(posedge clk) begin\n{body}  end\n"))
        edits.append((*clocked[following].span(), ""))
    for begin, end, text in sorted(edits, reverse=True):
        module = module[:begin] + text + module[end:]
    return module
