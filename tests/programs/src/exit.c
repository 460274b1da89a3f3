// Ends with the code it is built with, so that a failure is known to be one.
#include "test.h"

void main(void) { finish(EXIT_CODE); }
