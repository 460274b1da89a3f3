// Offsets in struct trap, for assembly.
#pragma once

#define TRAP_HANDLER 0
#define TRAP_CAUSE 8
#define TRAP_EPC 16
#define TRAP_TVAL 24
#define TRAP_STATUS 32
#define TRAP_TVAL2 40
#define TRAP_TINST 48
#define TRAP_HSTATUS 56
#define TRAP_A0 64
#define TRAP_A7 72
#define TRAP_T5 80
#define TRAP_SIZE 88
