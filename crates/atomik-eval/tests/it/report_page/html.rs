//! A reader of HTML that takes only what the report writes: every attribute in double quotes, every
//! `<`, `>`, `&` of a text escaped. What a lenient reader would guess is an error here, so a text
//! that slips out of its place is found.

/// A tag, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name; with a slash before it if it closes.
    pub name: String,
    /// Attributes, with their values unescaped.
    pub attributes: Vec<(String, String)>,
    /// The text after it, up to the next tag, unescaped.
    pub text: String,
}

impl Tag {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(attribute, _)| attribute == name)
            .map(|(_, value)| value.as_str())
    }
}

const EMPTY: [&str; 7] = [
    "meta", "br", "circle", "line", "polygon", "polyline", "rect",
];

/// All tags of a page. Panics on what the report must not write.
pub fn tags(page: &str) -> Vec<Tag> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut tags: Vec<Tag> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    while let Some(after) = rest.strip_prefix('<') {
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '/')
            .expect("a tag ends");
        let name = after[..end].trim_end_matches('/').to_owned();
        rest = &after[name.len()..];
        let mut attributes = Vec::new();
        loop {
            let trimmed = rest.trim_start();
            if let Some(after) = trimmed.strip_prefix("/>").or(trimmed.strip_prefix('>')) {
                rest = after;
                break;
            }
            let (attribute, after) = trimmed.split_once("=\"").expect("an attribute in quotes");
            assert!(
                attribute
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-'),
                "attribute {attribute:?} of {name}"
            );
            let (value, after) = after.split_once('"').expect("a value ends");
            assert!(
                attributes.iter().all(|(other, _)| other != attribute),
                "{attribute} of {name} twice"
            );
            attributes.push((attribute.to_owned(), unescaped(value)));
            rest = after;
        }
        if name == "style" {
            // The text of a style is raw.
            let (css, _) = rest.split_once("</style>").expect("a style ends");
            tags.push(Tag {
                name: name.clone(),
                attributes,
                text: css.to_owned(),
            });
            rest = &rest[css.len()..];
            open.push(name);
            continue;
        }
        let end = rest.find('<').unwrap_or(rest.len());
        let text = unescaped(&rest[..end]);
        rest = &rest[end..];
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(closed),
                "closed as they were opened"
            );
        } else if !EMPTY.contains(&name.as_str()) {
            open.push(name.clone());
        }
        tags.push(Tag {
            name,
            attributes,
            text,
        });
    }
    assert!(rest.trim().is_empty(), "text outside: {rest:.80}");
    assert!(open.is_empty(), "not closed: {open:?}");
    tags
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("an & that is escaped");
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => panic!("&{other};"),
        });
        plain.push_str(rest);
    }
    assert!(!text.contains(['<', '>']), "{text}");
    plain
}
