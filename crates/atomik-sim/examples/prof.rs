//! x
use atomik_sim::{case::timing, golden::*, record::*, regress::*, stimulus::*}; use std::time::Instant;
fn main(){ for c in std::env::args().skip(1) { let c=parse_config(&c).unwrap(); let l=Layout::new(c.width(),c.depth(),c.lanes()).unwrap(); let t=timing(&c);
 let p=Profile{ops:[0,0,15,1,0,0,0,0],locality:[0,0,0,1],data:[1,0,0,0,0],occupancy:[1,0,0,0,0],reset_every:0};
 let mut s=Random::new(l,t,p,1); let mut g=Golden::new(l,t).unwrap(); let mut cm=vec![0;1024*l.cmd_words()]; let mut e=vec![0;1024*l.rsp_words()];
 let (mut a,mut b)=(0.0,0.0); for _ in 0..400 { let i=Instant::now(); fill(&mut s,&l,&mut cm); a+=i.elapsed().as_secs_f64(); let i=Instant::now(); g.run(&cm,&mut e).unwrap(); b+=i.elapsed().as_secs_f64(); }
 println!("{} fill {:.1} ns/cycle golden {:.1} ns/cycle", c.name(), a*1e9/409600.0, b*1e9/409600.0); } }
