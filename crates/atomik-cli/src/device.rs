use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atomik_device::device::Device;
use atomik_device::line::SerialLine;
use atomik_device::link::RetryPolicy;
use atomik_device::simulated::board::{Image, Settings};
use atomik_device::simulated::pty::PtyBoard;
use atomik_device::simulated::wire::FaultRates;
use atomik_sim::verilate::Builder;
use atomik_trace::ResponseWriter;
use indicatif::ProgressBar;

use crate::args::{DeviceArgs, DeviceCommand, DeviceRunArgs, DeviceSimulateArgs};
use crate::failure::Failure;
use crate::{Outcome, model, print, print_json, say, stdout};

pub fn run(args: &DeviceArgs) -> Result<Outcome, Failure> {
    match &args.command {
        DeviceCommand::Run(run) => run_trace(args, run),
        DeviceCommand::Info { json } => info(args, *json),
        DeviceCommand::Reset => reset(args),
        DeviceCommand::Simulate(args) => simulate(args),
    }
}

fn connect(args: &DeviceArgs) -> Result<Device<SerialLine>, Failure> {
    let port = args.port.as_deref().ok_or(Failure::NoPort)?;
    let line = SerialLine::open(port, args.baud)?;
    Ok(Device::connect(line, RetryPolicy::for_baud(args.baud))?)
}

fn run_trace(args: &DeviceArgs, run: &DeviceRunArgs) -> Result<Outcome, Failure> {
    let mut device = connect(args)?;
    let mut trace = model::open(&run.trace, device.info().geometry)?;
    if !run.keep || !device.has_session() {
        device.reset()?;
    }
    let mut writer = ResponseWriter::new(stdout(), trace.geometry().width());
    let result = device.run(&mut trace, |response| {
        Ok::<_, Failure>(writer.write(response)?)
    });
    // What was answered before the board was lost is part of what there is to see.
    writer.flush()?;
    result?;
    let counters = device.counters();
    if counters.retries > 0 {
        say(format_args!(
            "{} of {} requests were sent again over a bad line: {} frames damaged, {} unread by the board, {} lost",
            counters.retries,
            counters.requests + counters.retries,
            counters.damaged,
            counters.unreadable,
            counters.timeouts
        ));
    }
    Ok(Outcome::Fine)
}

fn info(args: &DeviceArgs, json: bool) -> Result<Outcome, Failure> {
    let info = connect(args)?.info();
    let geometry = info.geometry;
    if json {
        print_json(&serde_json::json!({
            "width": geometry.width(),
            "depth": geometry.depth(),
            "lanes": geometry.lanes(),
            "max_payload": info.max_payload,
            "max_cycles": info.max_cycles,
            "max_responses": info.max_responses,
            "bad_frames": info.bad_frames,
            "epoch": info.epoch,
            "next_batch": info.next_number,
        }))?;
        return Ok(Outcome::Fine);
    }
    let session = match info.epoch {
        0 => "none since its last reset".to_owned(),
        epoch => format!("{epoch:#010x}, next batch {}", info.next_number),
    };
    print(format_args!(
        "register file  {} addresses of {} bits, {} lanes\n\
         session        {session}\n\
         batches        up to {} cycles, {} responses, {} bytes\n\
         bad frames     {} since its last reset\n",
        geometry.depth(),
        geometry.width(),
        geometry.lanes(),
        info.max_cycles,
        info.max_responses,
        info.max_payload,
        info.bad_frames,
    ))?;
    Ok(Outcome::Fine)
}

fn reset(args: &DeviceArgs) -> Result<Outcome, Failure> {
    connect(args)?.reset()?;
    Ok(Outcome::Fine)
}

fn simulate(args: &DeviceSimulateArgs) -> Result<Outcome, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    let progress = ProgressBar::new_spinner();
    progress.set_message("compiling the board");
    progress.enable_steady_tick(Duration::from_millis(100));
    let image = Image::build(&Builder::from_env()?, Settings::REAL);
    progress.finish_and_clear();
    let mut board = image?.start(args.seed)?;
    let rates = FaultRates::all(args.faults);
    board.set_faults(rates, rates, args.seed);
    let pty = PtyBoard::start(board)?;
    print(format_args!("{}\n", pty.path().display()))?;
    say("the board runs behind that port until Ctrl-C");
    while pty.is_running() && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    pty.stop()?;
    Ok(Outcome::Stopped)
}
