// The interface to the model for Rust: C functions, and a structure each for inputs and outputs.

#include <cstdint>
#include <memory>

#include "Vmodel.h"
#include "verilated_vcd_c.h"

extern "C" {

// The same fields, in the same order, as in lib.rs.
struct Inputs {
    std::uint64_t cmd_data;
    std::uint16_t cmd_addr;
    std::uint8_t clk;
    std::uint8_t rst;
    std::uint8_t cmd_valid;
    std::uint8_t cmd_op;
};

struct Outputs {
    std::uint64_t rsp_data;
    std::uint8_t ready;
    std::uint8_t rsp_valid;
    std::uint8_t rsp_clean;
};

// A model with its own context: a shared one would keep references to deleted models.
struct Instance {
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
};

// Exceptions must not cross into Rust; `noexcept` makes them end the process.

// The crate `verilated` calls the context of the calling thread, which from here on is this one.
Instance* atomik_instance_new() noexcept {
    Instance* instance = new Instance;
    Verilated::threadContextp(&instance->context);
    return instance;
}

void atomik_instance_elaborate(Instance* instance) noexcept {
    instance->model.reset(new Vmodel{&instance->context, "model"});
}

void atomik_instance_delete(Instance* instance) noexcept {
    instance->model->final();
    delete instance;
}

void atomik_instance_trace(Instance* instance, VerilatedVcdC* waves) noexcept {
    instance->model->trace(waves, 99);
}

void atomik_instance_eval(Instance* instance, const Inputs* in, Outputs* out) noexcept {
    Vmodel* const model = instance->model.get();
    model->clk = in->clk;
    model->rst = in->rst;
    model->cmd_valid = in->cmd_valid;
    model->cmd_op = in->cmd_op;
    model->cmd_addr = in->cmd_addr;
    model->cmd_data = in->cmd_data;
    model->eval();
    out->ready = model->ready;
    out->rsp_valid = model->rsp_valid;
    // Without a response these ports are undefined, so they are left out of comparisons.
    out->rsp_clean = model->rsp_valid ? model->rsp_clean : 0;
    out->rsp_data = model->rsp_valid ? model->rsp_data : 0;
}
}
