// The C interface of a model: what entresol_sim.native calls.
#include <cerrno>
#include <cstring>
#include <memory>

#include "dut.h"
#include "simulation.h"

#ifdef ENTRESOL_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

struct Model {
    explicit Model(const Setup& setup) : simulation{setup} {}

    Simulation simulation;
    bool sampled = false; // the current cycle's outputs are sampled, its clock edge is still to come
#ifdef ENTRESOL_VERILATED
    VerilatedContext context;
    Dut dut{&context, "soc"};
#ifdef ENTRESOL_TRACE
    std::unique_ptr<VerilatedVcdC> trace;
    uint64_t trace_from = 0, trace_to = 0;

    void dump(unsigned half) {
        const uint64_t cycle = simulation.cycle();
        if (trace && cycle >= trace_from && cycle <= trace_to) trace->dump(2 * cycle + half);
    }
#else
    void dump(unsigned) {}
#endif
#else
    Dut dut{};
#endif
};

} // namespace

extern "C" {

uint64_t entresol_sizes() { return sizeof(Setup) << 32 | sizeof(Statistics); }

Model* entresol_create(const Setup* setup) {
    auto* model = new Model{*setup};
#ifdef ENTRESOL_TRACE
    model->context.traceEverOn(true);
#endif
#ifdef ENTRESOL_VERILATED
    model->dut.eval();
#endif
    return model;
}

void entresol_destroy(Model* model) {
#ifdef ENTRESOL_TRACE
    if (model->trace) model->trace->close();
#endif
#ifdef ENTRESOL_VERILATED
    model->dut.final();
#endif
    delete model;
}

#ifdef ENTRESOL_VERILATED

// Runs until the beginning of cycle number `until`, or a reason to stop before.
int entresol_run(Model* model, uint64_t until) {
    Dut& dut = model->dut;
    Simulation& simulation = model->simulation;
    for (;;) {
        if (!model->sampled) {
            if (simulation.cycle() >= until) return STOP_CYCLES;
            if (simulation.sample(dut)) {
                model->sampled = true;
                return simulation.why();
            }
        }
        model->sampled = false;
        simulation.next_cycle();
        simulation.drive(dut);
        port::clk(dut) = 1;
        dut.eval();
        model->dump(0);
        port::clk(dut) = 0;
        dut.eval();
        model->dump(1);
    }
}

#else // somebody else simulates the design: it moves the ports through `entresol_ports`

void* entresol_ports(Model* model) { return &model->dut; }
uint64_t entresol_ports_size() { return sizeof(Dut); }

// The outputs have settled.  Returns a Stop, or -1 to go on.
int entresol_sample(Model* model) { return model->simulation.sample(model->dut) ? model->simulation.why() : -1; }

// The clock edge has passed: drives the inputs of the next cycle.
void entresol_advance(Model* model) {
    model->simulation.next_cycle();
    model->simulation.drive(model->dut);
}

#endif

#ifdef ENTRESOL_TRACE
// Returns whether the file could be opened.
int entresol_trace(Model* model, const char* path, uint64_t from, uint64_t to) {
    model->trace = std::make_unique<VerilatedVcdC>();
    model->trace_from = from;
    model->trace_to = to;
    model->dut.trace(model->trace.get(), 99);
    model->trace->open(path);
    return model->trace->isOpen();
}
#endif

uint64_t entresol_cycle(Model* model) { return model->simulation.cycle(); }
uint32_t entresol_finish_code(Model* model) { return model->simulation.finish_code(); }
const Statistics* entresol_statistics(Model* model) { return &model->simulation.statistics(); }

// Console output since the last call: its length, and the bytes in `*bytes` until the next call of `entresol_run`.
uint64_t entresol_output(Model* model, const uint8_t** bytes) {
    *bytes = model->simulation.output().data();
    return model->simulation.output().size();
}
void entresol_output_taken(Model* model) { model->simulation.output().clear(); }

void entresol_input(Model* model, const uint8_t* bytes, uint64_t length) {
    auto& queue = model->simulation.input();
    queue.insert(queue.end(), bytes, bytes + length);
}
uint64_t entresol_input_left(Model* model) { return model->simulation.input().size(); }
void entresol_input_open(Model* model, int open) { model->simulation.set_input_open(open); }

void entresol_request_flush(Model* model) { model->simulation.request_flush(); }
void entresol_guest_interrupts(Model* model, uint64_t levels) { model->simulation.set_guest_interrupts(levels); }
uint64_t entresol_tohost(Model* model) { return model->simulation.tohost(); }
void entresol_set_tohost(Model* model, uint64_t value) { model->simulation.set_tohost(value); }
void entresol_watch_fromhost(Model* model) { model->simulation.watch_fromhost(); }

// Returns 0 or an errno.
int entresol_open_log(Model* model, const char* path, const char* const* csr_names) {
    return model->simulation.open_log(path, csr_names) ? 0 : errno;
}
// Keeps a record of each commit from now on.
void entresol_record(Model* model) { model->simulation.record(); }
// The records since the last call: how many bytes, and where they are until the next call of `entresol_run`.
uint64_t entresol_records(Model* model, const void** records) {
    auto& kept = model->simulation.recorder()->records();
    *records = kept.data();
    return kept.size() * sizeof(Record);
}
void entresol_records_taken(Model* model) { model->simulation.recorder()->records().clear(); }

int entresol_close_log(Model* model) { return model->simulation.close_log() ? 0 : EIO; }

} // extern "C"
