use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::{PATIENCE, config, connect, connect_with, node};
use crate::accept::Acceptor;
use crate::credential::Token;
use crate::listener::Listener;
use crate::node::Node;
use crate::protocol::MAX_LINE;
use crate::{control, http, settings::Limits};

fn token(digit: &str) -> Token {
    Token::parse(&digit.repeat(64)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_token_is_disconnected_after_three_seconds() {
    let node = node();
    let mut silent = connect_with(&node, Some(token("a")));
    // A byte now and then does not help.
    let begin = Instant::now();
    let slow = async {
        let mut answer = String::new();
        let (mut read, mut write) = tokio::io::split(&mut silent);
        let drip = async {
            while write.write_all(b"{").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            read = read.read_to_string(&mut answer) => read.map(|_| answer).unwrap(),
            () = drip => panic!("the connection was closed without an answer"),
        }
    };
    let answer: Json = serde_json::from_str(&slow.await).unwrap();
    let elapsed = begin.elapsed();
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("no token within 3 s"),
        "{answer}"
    );
    assert!((3..4).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_client_that_reads_no_answers_little_is_read_until_it_does() {
    const REQUESTS: usize = 20;
    const OPS: usize = 20_000;
    let node = node();
    let ops = vec![r#"{"op":"read","key":"x"}"#; OPS].join(",");
    let text = format!("{{\"op\":\"batch\",\"ops\":[{ops}]}}\n").repeat(REQUESTS);
    let (read, mut write) = tokio::io::split(connect(&node));
    let mut sent = 0;
    // Time passes only when nobody can go on.
    let stuck = timeout(Duration::from_secs(60), async {
        while sent < text.len() {
            sent += write.write(&text.as_bytes()[sent..]).await.unwrap();
        }
    });
    assert!(stuck.await.is_err(), "all {} bytes were read", text.len());
    assert!(sent < 3 * MAX_LINE, "{sent} bytes were read");

    let send = async {
        write.write_all(&text.as_bytes()[sent..]).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let receive = async {
        let mut answers = BufReader::new(read).lines();
        let mut count = 0;
        while let Some(answer) = answers.next_line().await.unwrap() {
            let answer: Json = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["responses"].as_array().unwrap().len(), OPS);
            count += 1;
        }
        count
    };
    let ((), count) = tokio::join!(send, receive);
    assert_eq!(count, REQUESTS);
}

#[test]
fn tokens_are_equal_only_if_all_digits_are() {
    assert!(token("a") == token("A"));
    assert!(token("a") != token("b"));
    let last = Token::parse(&format!("{}b", "a".repeat(63))).unwrap();
    assert!(token("a") != last);
    assert!(Token::parse(&"a".repeat(63)).is_none());
    assert_eq!(format!("{:?}", token("a")), "Token(..)");
}

#[tokio::test(start_paused = true)]
async fn a_listener_without_file_descriptors_tries_once_a_second() {
    let attempts = Cell::new(0);
    let full = || {
        attempts.set(attempts.get() + 1);
        // EMFILE
        std::future::ready(Err::<(), _>(io::Error::from_raw_os_error(24)))
    };
    let mut acceptor = Acceptor::new("test");
    let minute = timeout(Duration::from_secs(60), acceptor.next(full)).await;
    assert!(minute.is_err());
    assert!(
        (60..80).contains(&attempts.get()),
        "{} attempts",
        attempts.get()
    );
    // It does not wait after a success.
    let begin = Instant::now();
    for _ in 0..1000 {
        acceptor.next(|| std::future::ready(Ok(()))).await;
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

async fn serve_http(node: &Node) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http::serve(listener, node.handle(), node.stop_signal()));
    address
}

#[tokio::test(start_paused = true)]
async fn silent_http_clients_hold_up_nobody() {
    let node = node();
    let address = serve_http(&node).await;
    let begin = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Half a header is no request.
        stream.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
        silent.push(stream);
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The connection is closed although the client did not ask for that.
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let elapsed = begin.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    // All are closed in the end, with or without an answer.
    for mut stream in silent {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let elapsed = begin.elapsed();
    assert!(elapsed < Duration::from_secs(12), "{elapsed:?}");
}

#[tokio::test]
async fn clients_without_the_token_keep_nobody_out_who_has_it() {
    let node = node();
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.place();
    let limits = Limits::default();
    let (handle, stop) = (node.handle(), node.stop_signal());
    let secret = Some(token("a"));
    tokio::spawn(control::serve(
        listener,
        handle,
        limits,
        config(0).shape,
        secret,
        stop,
    ));
    let client = async || {
        let mut stream = BufReader::new(TcpStream::connect(&address).await.unwrap());
        let greeting = format!("{{\"op\":\"hello\",\"token\":\"{}\"}}\n", "a".repeat(64));
        stream.write_all(greeting.as_bytes()).await.unwrap();
        stream
    };
    let answer = async |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        let read = timeout(PATIENCE, stream.read_line(&mut line)).await;
        read.unwrap().unwrap();
        serde_json::from_str::<Json>(&line).unwrap()
    };
    let mut first = client().await;
    assert_eq!(answer(&mut first).await["ok"], true);
    let mut strangers = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The oldest may have been closed.
        let _ = stream.write_all(b"{").await;
        strangers.push(stream);
    }
    let mut second = client().await;
    let admitted = answer(&mut second).await;
    assert_eq!(admitted["ok"], true, "{admitted}");
    // Nobody with the token had to go.
    for stream in [&mut first, &mut second] {
        stream.write_all(b"{\"op\":\"status\"}\n").await.unwrap();
        assert_eq!(answer(stream).await["ok"], true);
    }
    // The oldest stranger had to.
    let closed = timeout(PATIENCE, strangers[0].read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "it is still open");
    // The limit of those with the token stays.
    let mut admitted = Vec::new();
    for _ in 2..limits.connections {
        let mut stream = client().await;
        assert_eq!(answer(&mut stream).await["ok"], true);
        admitted.push(stream);
    }
    let refused = answer(&mut client().await).await;
    let error = refused["error"].as_str().unwrap();
    assert!(
        error.contains("the limit of 64 control connections"),
        "{error}"
    );
}

#[tokio::test]
async fn a_page_whose_name_points_to_this_machine_reads_nothing_over_http() {
    let node = node();
    let address = serve_http(&node).await;
    let status = async |target: &str, host: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\n{host}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer[9..12].to_owned()
    };
    for path in ["/health", "/metrics"] {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
        ] {
            assert_eq!(
                status(path, &format!("Host: {host}\r\n")).await,
                "200",
                "{host}"
            );
        }
        for host in [
            "evil.example.com",
            "evil.example.com:8080",
            "localhost.evil.example.com",
            "127.0.0.1.evil.example.com",
            "[evil.example.com]",
            "",
        ] {
            assert_eq!(
                status(path, &format!("Host: {host}\r\n")).await,
                "421",
                "{host:?}"
            );
        }
        let two = "Host: localhost\r\nHost: evil.example.com\r\n";
        assert_ne!(status(path, two).await, "200");
        let whole = format!("http://evil.example.com{path}");
        assert_ne!(status(&whole, "Host: localhost\r\n").await, "200");
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_header_must_come_soon_and_be_short() {
    let node = node();
    let address = serve_http(&node).await;
    let begin = Instant::now();
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let drip = async {
        while write.write_all(b"G").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut byte = [0];
    tokio::select! {
        _ = read.read(&mut byte) => {}
        () = drip => {}
    }
    assert!(
        begin.elapsed() <= Duration::from_secs(12),
        "{:?}",
        begin.elapsed()
    );

    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let header = format!(
        "GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let _ = write.write_all(header.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = read.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_control_connection_without_requests_is_closed_and_a_watcher_is_not() {
    let node = node();
    let idle = Limits::default().idle;
    let mut watcher = BufReader::new(connect(&node));
    watcher
        .get_mut()
        .write_all(b"{\"op\":\"watch\"}\n")
        .await
        .unwrap();
    let mut silent = connect(&node);
    // Half a request is none.
    silent.write_all(b"{").await.unwrap();
    let begin = Instant::now();
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("no request for 600 s: connect again"),
        "{answer}"
    );
    assert!(begin.elapsed() >= idle && begin.elapsed() < 2 * idle);

    sleep(2 * idle).await;
    let put = super::ask(&node, b"{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n");
    let mut lines = String::new();
    let (_, first) = tokio::join!(put, watcher.read_line(&mut lines));
    first.unwrap();
    let second = timeout(PATIENCE, watcher.read_line(&mut lines)).await;
    second.unwrap().unwrap();
    assert!(lines.contains("\"event\":\"changed\""), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_is_disconnected() {
    let node = node();
    let (mut read, mut write) = tokio::io::split(connect(&node));
    let request = b"{\"op\":\"status\"}\n";
    let send = async {
        let mut sent = 0;
        while write.write_all(request).await.is_ok() {
            sent += 1;
        }
        sent
    };
    let sent = timeout(3 * Limits::default().idle, send).await;
    let sent: usize = sent.expect("the connection is closed");
    let mut answers = String::new();
    read.read_to_string(&mut answers).await.unwrap();
    assert!(answers.lines().count() < sent, "{sent} requests");
}
