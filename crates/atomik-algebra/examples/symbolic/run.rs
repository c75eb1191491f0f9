//! The current path: what was assumed on it, and which answers are still to be tried.

use std::cell::RefCell;

/// A path through the code.
#[derive(Default)]
struct Path {
    /// The answers to the questions asked so far, and those planned for the next ones.
    answers: Vec<bool>,
    asked: usize,
    terms: u32,
}

thread_local! {
    static PATH: RefCell<Path> = RefCell::default();
}

/// Names a term: `sort` is its sort, `term` what it equals, if anything.
pub fn name(sort: &str, term: Option<&str>) -> u32 {
    let number = PATH.with_borrow_mut(|path| {
        path.terms += 1;
        path.terms
    });
    match term {
        Some(term) => println!("(define-fun t{number} () {sort} {term})"),
        None => println!("(declare-const t{number} {sort})"),
    }
    number
}

/// An answer to whether `condition` holds. The path continues where it is that answer.
pub fn decide(condition: &str) -> bool {
    let answer = PATH.with_borrow_mut(|path| {
        if path.asked == path.answers.len() {
            path.answers.push(true);
        }
        path.asked += 1;
        path.answers[path.asked - 1]
    });
    match answer {
        true => println!("(assert {condition})"),
        false => println!("(assert (not {condition}))"),
    }
    answer
}

/// Runs `body` once for every list of answers, and claims on each path what it returns.
pub fn explore(what: &str, body: impl Fn() -> Vec<String>) {
    loop {
        println!("(push 1)");
        let claims = body();
        println!("(echo \"reached {what}\")\n(check-sat)");
        println!("(assert (not (and true {})))", claims.join(" "));
        println!("(echo \"claim {what}\")\n(check-sat)\n(pop 1)");
        let is_last = PATH.with_borrow_mut(|path| {
            while path.answers.pop_if(|answer| !*answer).is_some() {}
            if let Some(answer) = path.answers.last_mut() {
                *answer = false;
            }
            path.asked = 0;
            path.terms = 0;
            path.answers.is_empty()
        });
        if is_last {
            return;
        }
    }
}
