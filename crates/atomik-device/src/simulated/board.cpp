// The C interface to a Verilated board, for the process that drives its pins.
//
// The build puts the #include of the model, Vmodel, in front of this text. Pins are bits of a word:
//   inputs   bit 0 uart_rxd, bit 1 button1_n, bit 2 button2_n
//   outputs  bits 0 to 5 led_n, bit 6 uart_txd

#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

namespace {

struct Stopped : std::exception {
    explicit Stopped(std::string text) : message(std::move(text)) {}
    const char* what() const noexcept override { return message.c_str(); }
    std::string message;
};

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
    std::uint64_t cycles = 0;
    bool txd = true;
    std::string error;

    explicit Board(std::uint64_t seed) {
        // 31 bits and never 0: 0 would let the library choose a seed.
        const std::uint64_t mixed = (seed + 1) * 0x9e3779b97f4a7c15u;
        context.randReset(2);
        context.randSeed(static_cast<int>(mixed >> 33) | 1);
        // Initial values are drawn from the context of the thread.
        Verilated::threadContextp(&context);
        model.reset(new Vmodel{&context, "board"});
        model->clk_27m = 0;
        model->eval();
    }

    ~Board() {
        Verilated::threadContextp(&context);
        if (model) model->final();
        model.reset();
    }

    // Runs n cycles with constant inputs. Writes the number of every cycle in which uart_txd
    // changes to `changes`, which has room for n, and returns how many there were.
    std::uint64_t run(std::uint64_t n, std::uint64_t inputs, std::uint64_t* changes) {
        Vmodel& m = *model;
        m.uart_rxd = inputs & 1;
        m.button1_n = inputs >> 1 & 1;
        m.button2_n = inputs >> 2 & 1;
        std::uint64_t count = 0;
        for (std::uint64_t i = 0; i < n; ++i) {
            m.clk_27m = 0;
            m.eval();
            m.clk_27m = 1;
            m.eval();
            ++cycles;
            if (static_cast<bool>(m.uart_txd) != txd) {
                txd = !txd;
                changes[count++] = cycles;
            }
        }
        return count;
    }
};

}  // namespace

// The run-time library calls these instead of ending the process.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw Stopped{std::string{file} + ":" + std::to_string(line) + ": " + message};
}
void vl_finish(const char* file, int line, const char*) {
    throw Stopped{std::string{file} + ":" + std::to_string(line) + ": $finish"};
}

#define ATOMIK_EXPORT extern "C" __attribute__((visibility("default")))

ATOMIK_EXPORT void* atomik_board_create(std::uint64_t seed, char* message,
                                        std::uint64_t room) noexcept {
    // The random generator of initial values is global to the library.
    static std::mutex creating;
    try {
        const std::lock_guard<std::mutex> lock{creating};
        return new Board{seed};
    } catch (const std::exception& e) {
        std::snprintf(message, room, "%s", e.what());
    } catch (...) {
        std::snprintf(message, room, "%s", "unknown exception");
    }
    return nullptr;
}

ATOMIK_EXPORT std::uint64_t atomik_board_run(void* handle, std::uint64_t n, std::uint64_t inputs,
                                             std::uint64_t* changes) noexcept {
    Board& self = *static_cast<Board*>(handle);
    Verilated::threadContextp(&self.context);
    try {
        return self.run(n, inputs, changes);
    } catch (const std::exception& e) {
        self.error = e.what();
    }
    return 0;
}

ATOMIK_EXPORT std::uint64_t atomik_board_outputs(const void* handle) noexcept {
    const Board& self = *static_cast<const Board*>(handle);
    return static_cast<std::uint64_t>(self.model->led_n) |
           static_cast<std::uint64_t>(self.model->uart_txd) << 6;
}

ATOMIK_EXPORT const char* atomik_board_error(const void* handle) noexcept {
    const Board& self = *static_cast<const Board*>(handle);
    return self.error.empty() ? nullptr : self.error.c_str();
}

ATOMIK_EXPORT void atomik_board_destroy(void* handle) noexcept {
    delete static_cast<Board*>(handle);
}
