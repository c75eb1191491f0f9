//! What a session costs: sealing and opening a message, a whole handshake, and the two ciphers
//! that snow offers. Run with `cargo bench -p atomik-session`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;

use atomik_session::{Address, Config, Limits, Members, Output, Sessions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;
use snow::{Builder, StatelessTransportState};

const A: Address = [1; 16];
const B: Address = [2; 16];
const SIZES: [usize; 2] = [60, 1000];

fn sessions(incarnation: Address) -> Sessions {
    let config = Config {
        key: SigningKey::from_bytes(&[incarnation[0]; 32]),
        incarnation,
        address: |_, incarnation| *incarnation,
        keyspace: "bench".to_owned(),
        secret: [7; 32],
        members: Members::Any,
        limits: Limits::default(),
    };
    Sessions::new(&config, &[incarnation[0]; 32])
}

/// Delivers all packets; returns their number and bytes.
fn settle(a: &mut Sessions, b: &mut Sessions, mut out: Vec<Output>) -> (usize, usize) {
    let (mut packets, mut length) = (0, 0);
    while let Some(output) = out.pop() {
        if let Output::Packet { to, bytes } = output {
            packets += 1;
            length += bytes.len();
            let (receiver, from) = if to == A { (&mut *a, B) } else { (&mut *b, A) };
            receiver.receive(from, &bytes, &mut out);
        }
    }
    (packets, length)
}

fn connect() -> (Sessions, Sessions, (usize, usize)) {
    let (mut a, mut b) = (sessions(A), sessions(B));
    let mut out = Vec::new();
    a.peer_up(B, &mut out);
    let cost = settle(&mut a, &mut b, out);
    (a, b, cost)
}

fn handshake(c: &mut Criterion) {
    let (a, b, (packets, bytes)) = connect();
    assert!(a.key(&B).is_some() && b.key(&A).is_some());
    println!("a handshake takes {packets} packets of {bytes} bytes in all");
    c.bench_function("handshake, both sides", |bench| bench.iter(connect));
}

fn message(c: &mut Criterion) {
    let (mut a, mut b, _) = connect();
    let mut group = c.benchmark_group("send and receive");
    for size in SIZES {
        let message = vec![1; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bench| {
            let mut out = Vec::new();
            bench.iter(|| {
                a.send(&B, &message, &mut out).unwrap();
                let Some(Output::Packet { bytes, .. }) = out.pop() else {
                    panic!("a packet");
                };
                b.receive(A, &bytes, &mut out);
                assert!(matches!(out.pop(), Some(Output::Message { .. })));
            });
        });
    }
    group.finish();
    let mut out = Vec::new();
    a.send(&B, &[1; 1000], &mut out).unwrap();
    let Some(Output::Packet { mut bytes, .. }) = out.pop() else {
        panic!("a packet");
    };
    bytes[500] ^= 1;
    c.bench_function("altered packet of 1000 bytes", |bench| {
        bench.iter(|| b.receive(A, black_box(&bytes), &mut out));
    });
    assert!(out.is_empty());
}

fn ciphers(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal and open");
    for cipher in ["ChaChaPoly", "AESGCM"] {
        let [sender, receiver] = transport(cipher);
        for size in SIZES {
            let message = vec![1; size];
            let (mut sealed, mut opened) = (vec![0; size + 16], vec![0; size]);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(cipher, size), |bench| {
                bench.iter(|| {
                    sender.write_message(1, &message, &mut sealed).unwrap();
                    receiver.read_message(1, &sealed, &mut opened).unwrap();
                });
            });
        }
    }
    group.finish();
}

fn transport(cipher: &str) -> [StatelessTransportState; 2] {
    let name = format!("Noise_NNpsk0_25519_{cipher}_BLAKE2s");
    let builder = || {
        Builder::new(name.parse().unwrap())
            .psk(0, &[7; 32])
            .unwrap()
    };
    let mut sides = [
        builder().build_initiator().unwrap(),
        builder().build_responder().unwrap(),
    ];
    for writer in [0, 1] {
        let mut message = [0; 128];
        let length = sides[writer].write_message(&[], &mut message).unwrap();
        let reader = &mut sides[1 - writer];
        reader.read_message(&message[..length], &mut []).unwrap();
    }
    sides.map(|side| side.into_stateless_transport_mode().unwrap())
}

criterion_group!(benches, handshake, message, ciphers);
criterion_main!(benches);
