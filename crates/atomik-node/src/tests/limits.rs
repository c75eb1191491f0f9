use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::{connect_with, node};
use crate::credential::Token;

fn token(digit: &str) -> Token {
    Token::parse(&digit.repeat(64)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_token_is_disconnected_after_ten_seconds() {
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
            .contains("no token within 10 s"),
        "{answer}"
    );
    assert!((10..11).contains(&elapsed.as_secs()), "{elapsed:?}");
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
