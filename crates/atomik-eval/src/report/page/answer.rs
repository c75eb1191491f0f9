//! The sentences that answer the question, each figure linked to its cell.

use atomik_arena::figures::Review;
use maud::{Markup, html};

use crate::report::sentences::{Part, sentences};

/// A claim of up to this many characters stays on a line.
const WHOLE: usize = 24;

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
                                    a.whole[text.chars().count() <= WHOLE]
                                        href=(format!("#{cell}")) { (text) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
