// Names that the crate `verilated` 0.1.2 uses and Verilator 5 no longer has, in terms of current
// ones. Included before every C++ file of that crate (CXXFLAGS, see scripts/verilated-harness.sh).
#ifndef VERILATED_NAMES_H
#define VERILATED_NAMES_H

#include <verilated.h>

using VerilatedVoidCb = Verilated::VoidPCb;

// Macros, because these are members of classes in the run-time library. rolloverSize() is in bytes.
#define flushCb(callback) addFlushCb(callback, nullptr)
#define flushCall() runFlushCallbacks()
#define rolloverMB(size) rolloverSize((size) * 1000 * 1000)

#endif
