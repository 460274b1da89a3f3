"""OpenSBI, Linux with KVM, a virtual machine monitor, and the same Linux as its guest."""
