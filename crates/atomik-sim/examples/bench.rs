//! x
use atomik_sim::{case::*, regress::*, verilate::*};
fn main(){ let b=Builder::from_env().unwrap(); for c in std::env::args().skip(1) { let d=Dut::build(&b,parse_config(&c).unwrap()).unwrap(); println!("{c} {:?}", atomik_sim::bench::measure(&d, 1_000_000, 5).unwrap()); } }
