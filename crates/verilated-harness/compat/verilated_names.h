// Defines the names that the crate `verilated` 0.1.2 calls and that Verilator 5 no longer has.
// Every C++ file of that crate includes this first (CXXFLAGS, see scripts/verilated-harness.sh).
#ifndef VERILATED_NAMES_H
#define VERILATED_NAMES_H

#include <verilated.h>

using VerilatedVoidCb = Verilated::VoidPCb;

// Macros, because these are members of the library's classes. rolloverSize() takes bytes.
#define flushCb(callback) addFlushCb(callback, nullptr)
#define flushCall() runFlushCallbacks()
#define rolloverMB(size) rolloverSize((size) * 1000 * 1000)

#endif
