// The interface between a Verilated model and the process that drives it: plain C functions on
// buffers of records.
//
// The build puts lines before this text that define
//   ATOMIK_VERSION  version of this interface        ATOMIK_WIDTH  bits in a word
//   ATOMIK_DEPTH    addresses                        ATOMIK_LANES  lanes
//   ATOMIK_TRACED   1 if the model can write VCD
//   ATOMIK_DIRECT   1 if the model's evaluation function may be called without its wrapper
//   ATOMIK_SELECTOR 1 if the model has the input atomik_mutant
// and include the model, which is always called Vmodel. The records are those of `record.rs`.

#if VM_COVERAGE
#include "verilated_cov.h"
#endif

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "ports are copied from little-endian words");

namespace {

constexpr unsigned WIDTH = ATOMIK_WIDTH;
constexpr unsigned LANES = ATOMIK_LANES;

constexpr unsigned log2_of(std::uint64_t n) { return n <= 1 ? 0 : 1 + log2_of(n / 2); }
constexpr unsigned words_for(unsigned bits) { return (bits + 63) / 64; }

constexpr unsigned ADDR_PORT = LANES * log2_of(ATOMIK_DEPTH);
constexpr unsigned DATA_PORT = LANES * WIDTH;
constexpr unsigned ADDR_AT = 1;
constexpr unsigned DATA_AT = ADDR_AT + words_for(ADDR_PORT);
constexpr unsigned CMD_WORDS = DATA_AT + words_for(DATA_PORT);
constexpr unsigned RSP_WORDS = 1 + words_for(WIDTH);

constexpr unsigned OP_ACCUM = 2;
constexpr unsigned OP_READ = 3;

// A model relies on the bits above a port's width being 0.
template <unsigned BITS, class Port>
inline void drive(Port& port, const std::uint64_t* words) {
    port = static_cast<Port>(words[0] & (~std::uint64_t{0} >> (64 - BITS)));
}

template <unsigned BITS, std::size_t N>
inline void drive(VlWide<N>& port, const std::uint64_t* words) {
    static_assert(N == (BITS + 31) / 32, "the port is not as wide as the record says");
    std::memcpy(port.m_storage, words, sizeof port.m_storage);
    if (BITS % 32 != 0) port.m_storage[N - 1] &= ~std::uint32_t{0} >> (-BITS % 32);
}

template <class Port>
inline void sample(const Port& port, std::uint64_t* words) {
    words[0] = port;
}

template <std::size_t N>
inline void sample(const VlWide<N>& port, std::uint64_t* words) {
    words[(N - 1) / 2] = 0;
    std::memcpy(words, port.m_storage, sizeof port.m_storage);
}

// The wrapper of a traced model records that signals may have changed, so it must be called.
#if ATOMIK_DIRECT && !ATOMIK_TRACED
using Design = Vmodel___024root;
inline Design& design_of(Vmodel& model) { return *model.rootp; }
inline void evaluate(Design& design) { Vmodel___024root___eval(&design); }
#else
using Design = Vmodel;
inline Design& design_of(Vmodel& model) { return model; }
inline void evaluate(Design& design) { design.eval(); }
#endif

struct Stopped : std::exception {
    explicit Stopped(std::string text) : message(std::move(text)) {}
    const char* what() const noexcept override { return message.c_str(); }
    std::string message;
};

struct Instance {
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
#if ATOMIK_TRACED
    std::unique_ptr<VerilatedVcdC> waves;
#endif
    std::uint64_t cycles = 0;
    std::string error;

    Instance(std::uint64_t seed, const char* wave_path) {
        // 31 bits, and never 0, which would let the library choose a seed.
        const std::uint64_t mixed = (seed + 1) * 0x9e3779b97f4a7c15u;
        context.randReset(2);
        context.randSeed(static_cast<int>(mixed >> 33) | 1);
        context.traceEverOn(wave_path != nullptr);
        // The context of the thread supplies the random initial values.
        Verilated::threadContextp(&context);
        model.reset(new Vmodel{&context, "atomik"});
        // The first evaluation runs the initial blocks. It must go through the wrapper, which
        // detects that it is the first.
#if ATOMIK_SELECTOR
        model->atomik_mutant = 0;
#endif
        model->clk = 0;
        model->eval();
#if ATOMIK_TRACED
        if (wave_path) {
            waves.reset(new VerilatedVcdC);
            model->trace(waves.get(), 99);
            waves->open(wave_path);
            if (!waves->isOpen()) throw Stopped{"the waveform file does not open"};
        }
#endif
    }

    ~Instance() {
        Verilated::threadContextp(&context);
        if (model) model->final();
#if ATOMIK_TRACED
        if (waves) waves->close();
        waves.reset();
#endif
        model.reset();
    }

    void dump(std::uint64_t time) {
#if ATOMIK_TRACED
        if (waves) waves->dump(time);
#else
        (void)time;
#endif
    }

    void run(std::uint64_t n, const std::uint64_t* cmd, std::uint64_t* rsp) {
        Design& m = design_of(*model);
        for (std::uint64_t i = 0; i < n; ++i, cmd += CMD_WORDS, rsp += RSP_WORDS) {
            m.rst = cmd[0] & 1;
            m.cmd_op = (cmd[0] >> 8) & 7;
            const std::uint64_t valid = cmd[0] >> 32;
            drive<LANES>(m.cmd_valid, &valid);
#if ATOMIK_DEPTH > 1
            drive<ADDR_PORT>(m.cmd_addr, cmd + ADDR_AT);
#endif
            drive<DATA_PORT>(m.cmd_data, cmd + DATA_AT);
            m.clk = 0;
            evaluate(m);
            dump(2 * cycles);
            rsp[0] = static_cast<std::uint64_t>(m.ready)
                     | static_cast<std::uint64_t>(m.rsp_valid) << 1
                     | static_cast<std::uint64_t>(m.rsp_clean & m.rsp_valid) << 2;
            sample(m.rsp_data, rsp + 1);
            // Without a response the data port is undefined, so it is left out of comparisons.
            if (!m.rsp_valid)
                for (unsigned w = 0; w < words_for(WIDTH); ++w) rsp[1 + w] = 0;
            m.clk = 1;
            evaluate(m);
            dump(2 * cycles + 1);
            ++cycles;
        }
#if ATOMIK_TRACED
        if (waves) waves->flush();
#endif
    }

    // This is the baseline for speed, so it does no more than a user's own loop would.
    std::uint64_t bare(std::uint64_t n, std::uint64_t seed) {
        Design& m = design_of(*model);
        std::uint64_t sum = 0;
        // One generator per word, so that they run in parallel; their state must not be 0.
        std::uint64_t words[CMD_WORDS] = {};
        for (unsigned w = ADDR_AT; w < CMD_WORDS; ++w)
            words[w] = ((seed + w) * 0x9e3779b97f4a7c15u) | 1;
        const std::uint64_t all = ~std::uint64_t{0};
        m.rst = 0;
        drive<LANES>(m.cmd_valid, &all);
        for (std::uint64_t i = 0; i < n; ++i) {
            // Marsaglia's xorshift64 (2003), shifts 13, 7, 17.
            for (unsigned w = ADDR_AT; w < CMD_WORDS; ++w) {
                words[w] ^= words[w] << 13;
                words[w] ^= words[w] >> 7;
                words[w] ^= words[w] << 17;
            }
            m.cmd_op = (words[CMD_WORDS - 1] >> 61) == 0 ? OP_READ : OP_ACCUM;
#if ATOMIK_DEPTH > 1
            drive<ADDR_PORT>(m.cmd_addr, words + ADDR_AT);
#endif
            drive<DATA_PORT>(m.cmd_data, words + DATA_AT);
            m.clk = 0;
            evaluate(m);
            std::uint64_t data[words_for(WIDTH)];
            sample(m.rsp_data, data);
            for (const std::uint64_t word : data) sum = (sum << 1 | sum >> 63) ^ word;
            sum += static_cast<std::uint64_t>(m.ready) + m.rsp_valid + m.rsp_clean;
            m.clk = 1;
            evaluate(m);
        }
        cycles += n;
        return sum;
    }
};

}  // namespace

// The run-time library calls these where it would otherwise end the process.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw Stopped{std::string{file} + ":" + std::to_string(line) + ": " + message};
}
void vl_finish(const char* file, int line, const char*) {
    throw Stopped{std::string{file} + ":" + std::to_string(line) + ": $finish"};
}

#define ATOMIK_EXPORT extern "C" __attribute__((visibility("default")))

ATOMIK_EXPORT void atomik_shape(std::uint64_t* out) noexcept {
    out[0] = ATOMIK_VERSION;
    out[1] = WIDTH;
    out[2] = ATOMIK_DEPTH;
    out[3] = LANES;
    out[4] = CMD_WORDS;
    out[5] = RSP_WORDS;
    out[6] = ATOMIK_TRACED;
}

ATOMIK_EXPORT void* atomik_create(std::uint64_t seed, const char* wave_path, char* message,
                                  std::uint64_t room) noexcept {
    // The random generator for initial values is shared by the whole library.
    static std::mutex creating;
    try {
        const std::lock_guard<std::mutex> lock{creating};
        return new Instance{seed, wave_path};
    } catch (const std::exception& e) {
        std::snprintf(message, room, "%s", e.what());
    } catch (...) {
        std::snprintf(message, room, "%s", "unknown exception");
    }
    return nullptr;
}

ATOMIK_EXPORT void atomik_select(void* handle, std::uint64_t mutant) noexcept {
#if ATOMIK_SELECTOR
    design_of(*static_cast<Instance*>(handle)->model).atomik_mutant = mutant;
#else
    (void)handle;
    (void)mutant;
#endif
}

ATOMIK_EXPORT std::uint64_t atomik_run(void* handle, std::uint64_t n, const std::uint64_t* cmds,
                                       std::uint64_t* rsps) noexcept {
    Instance& self = *static_cast<Instance*>(handle);
    const std::uint64_t before = self.cycles;
    Verilated::threadContextp(&self.context);
    try {
        self.run(n, cmds, rsps);
    } catch (const std::exception& e) {
        self.error = e.what();
    }
    return self.cycles - before;
}

ATOMIK_EXPORT void atomik_counts(void* handle, const char* path) noexcept {
#if VM_COVERAGE
    static_cast<Instance*>(handle)->context.coveragep()->write(path);
#else
    (void)handle;
    (void)path;
#endif
}

ATOMIK_EXPORT std::uint64_t atomik_bare(void* handle, std::uint64_t n,
                                        std::uint64_t seed) noexcept {
    Instance& self = *static_cast<Instance*>(handle);
    Verilated::threadContextp(&self.context);
    try {
        return self.bare(n, seed);
    } catch (const std::exception& e) {
        self.error = e.what();
    }
    return 0;
}

ATOMIK_EXPORT std::uint64_t atomik_cycles(const void* handle) noexcept {
    return static_cast<const Instance*>(handle)->cycles;
}

ATOMIK_EXPORT const char* atomik_error(const void* handle) noexcept {
    const Instance& self = *static_cast<const Instance*>(handle);
    return self.error.empty() ? nullptr : self.error.c_str();
}

ATOMIK_EXPORT void atomik_destroy(void* handle) noexcept { delete static_cast<Instance*>(handle); }
