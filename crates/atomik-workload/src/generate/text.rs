use super::draw::Draw;
use super::settings::{SEED, SettingsError, within};
use crate::workload::{Action, Line, MAX_NODES};

/// The vocabulary: frequent English words, some of them not ASCII, so that characters and bytes
/// differ.
const WORDS: [&str; 96] = [
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "was", "on", "are", "as",
    "with", "they", "be", "at", "one", "have", "this", "from", "or", "had", "by", "not", "but",
    "what", "some", "we", "can", "out", "other", "were", "all", "there", "when", "up", "use",
    "your", "how", "said", "an", "each", "she", "which", "do", "their", "time", "if", "will",
    "way", "about", "many", "then", "them", "write", "would", "like", "so", "these", "her", "long",
    "make", "thing", "see", "him", "two", "has", "look", "more", "day", "could", "go", "come",
    "did", "number", "sound", "no", "most", "people", "my", "over", "know", "water", "than",
    "call", "first", "who", "may", "down", "side", "been", "café", "naïve", "→",
];

/// People who write documents together: bursts of typing at a moving cursor, mistakes corrected at
/// once, pauses, jumps, cuts and pastes. XOR gets this workload wrong. Its parameters are plausible
/// but not fitted to data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The seed.
    pub seed: u64,
    /// Operations.
    pub operations: u64,
    /// Nodes. Author a is a client of node a modulo this.
    pub nodes: u32,
    /// Authors. Author a writes document a modulo `documents`.
    pub authors: u32,
    /// Documents, each a key.
    pub documents: u32,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            seed: SEED,
            operations: 50_000,
            nodes: 3,
            authors: 3,
            documents: 1,
        }
    }
}

impl Text {
    /// The operations, in order. Each position refers to the text after all operations before it.
    ///
    /// # Errors
    ///
    /// A setting that is out of range.
    pub fn lines(&self) -> Result<TextLines, SettingsError> {
        within(
            "the number of nodes",
            self.nodes.into(),
            1.0..=MAX_NODES.into(),
        )?;
        within("the number of authors", self.authors.into(), 1.0..=10_000.0)?;
        within(
            "the number of documents",
            self.documents.into(),
            1.0..=10_000.0,
        )?;
        let mut draw = Draw::new(self.seed);
        let authors = (0..self.authors)
            .map(|author| Author {
                due: draw.below(2_000),
                document: (author % self.documents) as usize,
                cursor: 0,
                typing: String::new(),
                erasing: 0,
                mistaken: false,
            })
            .collect();
        Ok(TextLines {
            left: self.operations,
            nodes: self.nodes,
            authors,
            lengths: vec![0; self.documents as usize],
            draw,
        })
    }
}

#[derive(Clone, Debug)]
struct Author {
    /// When the next key is pressed.
    due: u64,
    document: usize,
    cursor: usize,
    /// The rest of the text to type, last character first.
    typing: String,
    /// Characters left to erase.
    erasing: usize,
    /// Whether the last character was mistyped.
    mistaken: bool,
}

/// The iterator of [`Text::lines`].
#[derive(Clone, Debug)]
pub struct TextLines {
    left: u64,
    nodes: u32,
    authors: Vec<Author>,
    /// Characters of each document.
    lengths: Vec<usize>,
    draw: Draw,
}

impl TextLines {
    fn words(&mut self, count: u64) -> String {
        (0..count).fold(String::new(), |text, _| {
            let word = WORDS[self.draw.index(WORDS.len())];
            let end = match self.draw.below(16) {
                0 => ". ",
                1 => ", ",
                2 if self.draw.percent(40) => ".\n",
                _ => " ",
            };
            text + word + end
        })
    }

    fn jump(&mut self, author: usize) {
        let length = self.lengths[self.authors[author].document];
        let to = match self.draw.below(10) {
            0..=3 => length,
            4..=6 => self.draw.index(length + 1),
            // Another author's cursor, which may be in another document.
            _ => {
                let other = self.draw.index(self.authors.len());
                self.authors[other].cursor.min(length)
            }
        };
        self.authors[author].cursor = to;
    }

    /// Chooses what an idle author does next. Cuts and pastes are a single operation.
    fn decide(&mut self, author: usize) -> Option<Action> {
        if self.draw.percent(40) {
            self.jump(author);
        }
        let length = self.lengths[self.authors[author].document];
        let cursor = self.authors[author].cursor;
        match self.draw.below(100) {
            0..72 => {
                let count = self.draw.between(1, 14);
                let text = self.words(count);
                self.authors[author].typing = text.chars().rev().collect();
                None
            }
            72..86 => {
                self.authors[author].erasing = self.draw.between(1, 15) as usize;
                None
            }
            86..93 => {
                let count = self.draw.between(4, 60);
                let text = self.words(count);
                Some(Action::InsertText { at: cursor, text })
            }
            _ => {
                let count = (self.draw.between(3, 240) as usize).min(length - cursor);
                (count > 0).then_some(Action::RemoveText { at: cursor, count })
            }
        }
    }

    /// The next key that an author presses.
    fn press(&mut self, author: usize) -> Option<Action> {
        let writer = &mut self.authors[author];
        if writer.erasing == 0
            && let Some(wanted) = writer.typing.pop()
        {
            let mut typed = wanted;
            if self.draw.percent(3) && wanted.is_ascii_lowercase() {
                typed = char::from(b'a' + self.draw.below(26) as u8);
                writer.mistaken = typed != wanted;
            }
            if writer.mistaken {
                writer.typing.push(wanted);
                writer.erasing = 1;
                writer.mistaken = false;
            }
            return Some(Action::InsertText {
                at: writer.cursor,
                text: typed.into(),
            });
        }
        if writer.erasing > 0 {
            writer.erasing -= 1;
            if let Some(at) = writer.cursor.checked_sub(1) {
                return Some(Action::RemoveText { at, count: 1 });
            }
            writer.erasing = 0;
        }
        self.decide(author)
    }

    /// Moves cursors as editors do: cursors behind a change move with the text, and the author's
    /// cursor moves to the end of the change.
    fn apply(&mut self, author: usize, action: &Action) {
        let document = self.authors[author].document;
        let others = self
            .authors
            .iter_mut()
            .filter(|other| other.document == document);
        match action {
            Action::InsertText { at, text } => {
                let count = text.chars().count();
                self.lengths[document] += count;
                for other in others.filter(|other| other.cursor > *at) {
                    other.cursor += count;
                }
                self.authors[author].cursor = at + count;
            }
            Action::RemoveText { at, count } => {
                self.lengths[document] -= count;
                for other in others.filter(|other| other.cursor > *at) {
                    other.cursor = (*at).max(other.cursor.saturating_sub(*count));
                }
            }
            _ => {}
        }
    }
}

impl Iterator for TextLines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let author = (0..self.authors.len()).min_by_key(|author| self.authors[*author].due)?;
            let t = self.authors[author].due;
            let action = self.press(author);
            let writer = &self.authors[author];
            let busy = writer.erasing > 0 || !writer.typing.is_empty();
            self.authors[author].due += if busy {
                self.draw.between(60, 260)
            } else {
                self.draw.between(600, 9_000)
            };
            if let Some(action) = action {
                self.apply(author, &action);
                return Some(Line {
                    t,
                    node: author as u32 % self.nodes,
                    key: format!("document-{}", self.authors[author].document),
                    field: "text".into(),
                    action,
                });
            }
        }
    }
}
