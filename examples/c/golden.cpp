// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The golden model of a generated design, cycle by cycle: golden NAME.json. A delta is accumulated,
// and a READ in the next cycle finds it, latency cycles later.
#include <atomik.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

void check(atomik_status status) {
    if (status != ATOMIK_STATUS_OK) throw std::runtime_error(atomik_last_error());
}

struct Free {
    void operator()(atomik_model *model) const { atomik_model_free(model); }
};

using Model = std::unique_ptr<atomik_model, Free>;

Model open(const std::string &manifest) {
    atomik_model *model = nullptr;
    check(atomik_model_open(manifest.c_str(), &model));
    return Model(model);
}

void run(const std::string &manifest) {
    const Model model = open(manifest);
    const std::array<std::uint64_t, 8> delta = {0x5a};  // up to 512 bits
    std::uint64_t cycle = 0;
    const auto clock = [&](bool rst, std::uint32_t valid, std::uint32_t op) {
        check(atomik_model_clock(model.get(), rst, valid, op));
        ++cycle;
    };

    clock(true, 0, ATOMIK_OP_NOP);
    while (!atomik_model_ready(model.get())) clock(false, 0, ATOMIK_OP_NOP);
    std::cout << "ready in cycle " << cycle << " (time to clear "
              << atomik_model_clear_cycles(model.get()) << ")\n";

    check(atomik_model_set_lane(model.get(), 0, 3, delta.data()));
    clock(false, 1, ATOMIK_OP_ACCUM);
    const std::uint64_t read = cycle;
    clock(false, 1, ATOMIK_OP_READ);
    while (!atomik_model_rsp_valid(model.get())) clock(false, 0, ATOMIK_OP_NOP);
    std::cout << "READ in cycle " << read << ", response 0x" << std::hex
              << atomik_model_rsp_data(model.get(), 0) << std::dec << " in cycle " << cycle
              << " (latency " << atomik_model_latency(model.get()) << ")\n";
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::cerr << "usage: golden NAME.json\n";
        return 2;
    }
    try {
        run(argv[1]);
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        std::cerr << "golden: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
