"""Mutation analysis: small faults are built into the hardware, one at a time, and the tests have to notice them.

`sites` finds the places and rewrites the source, so that every mutant of a file is there at the same time; `switch` is
what the rewritten source calls, and turns one of them on; `plugin` runs the tests against one mutant after the other in
processes forked from one pytest; `campaign` decides which and keeps a journal.
"""

#: The environment variable that names a file with what `plugin` is to do: which mutants to build in, which tests to
#: leave out, and its ends of two pipes.
ENVIRONMENT = "ENTRESOL_MUTATION"
