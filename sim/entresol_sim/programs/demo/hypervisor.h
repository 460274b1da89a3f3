// Offsets in struct vcpu, for assembly (hypervisor.c checks them).
#pragma once

#define VCPU_PC 256
#define VCPU_HOST_SP 264
#define VCPU_ENTERED 272
#define VCPU_LEFT 280
