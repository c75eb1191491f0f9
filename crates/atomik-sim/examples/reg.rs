//! x
use atomik_sim::{regress::*, verilate::*};
struct O; impl Observer for O { fn finished(&self, j:&JobReport){ println!("{} cyc {} cmds {} rsp {} {:.2}s {:?} {:?}", j.name,j.cycles,j.commands,j.responses,j.seconds,j.mismatch,j.error); if let Some(c)=&j.case {println!("{c}");} } }
fn main(){ let p=Plan::read(std::path::Path::new(&std::env::args().nth(1).unwrap())).unwrap(); let b=Builder::from_env().unwrap();
 let r=regress(&b,&p,&Choice{filter:std::env::args().nth(2),..Default::default()},&O,&Default::default()).unwrap();
 for c in &r.configs { println!("{} lat {} cyc {} fail {} {:.2}M/s {:?} holes {}", c.config,c.latency,c.cycles,c.failures,c.cycles_per_second/1e6,c.coverage.iter().map(|g|(g.name.clone(),g.hit,g.bins)).collect::<Vec<_>>(), c.holes.len()); for h in c.holes.iter().take(6){println!("   {h}");} } println!("passed {}", r.passed()); }
