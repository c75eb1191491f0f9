fn main(){ let a:Vec<u32>=std::env::args().skip(1).map(|x|x.parse().unwrap()).collect();
 let c=atomik_hdl::Config::new(a[0],a[1] as usize,a[2]).unwrap(); let d=atomik_hdl::generate(&c); print!("{}",d.verilog); eprint!("{}", d.manifest.to_json().unwrap());}
