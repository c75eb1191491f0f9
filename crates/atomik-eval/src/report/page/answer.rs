//! The sentences that answer the question, each figure linked to its cell.

use atomik_arena::figures::Review;
use maud::{Markup, html};

use crate::report::sentences::{Part, sentences};

/// The sentences.
pub fn answer(review: &Review) -> Markup {
    html! {
        ol.answer {
            @for sentence in sentences(review) {
                li {
                    b { (sentence.about) }
                    p {
                        @for part in &sentence.parts {
                            @match part {
                                Part::Words(words) => (words),
                                Part::Name(name) => b { (name) },
                                Part::Claim(text, cell) => {
                                    a href=(format!("#{cell}")) { (text) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
