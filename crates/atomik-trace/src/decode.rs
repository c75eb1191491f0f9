use std::borrow::Cow;
use std::fmt;

use atomik_algebra::Op;
use serde::de::{Deserialize, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::command::{Command, Data};
use crate::error::{Quote, Reason};
use crate::geometry::Geometry;
use crate::value;

/// The fields of a command as text, not yet checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields<'a> {
    /// The name of the op.
    pub op: &'a str,
    /// The address, in decimal digits.
    pub addr: Option<&'a str>,
    /// The value or delta: a word, a negative integer, or a list with one value per field.
    pub data: Option<&'a str>,
    /// The lane, in decimal digits.
    pub lane: Option<&'a str>,
    /// The cycle, in decimal digits.
    pub cycle: Option<&'a str>,
}

/// Decodes lines to commands. It checks each against the register file and the lines before it.
///
/// A refused line changes no state: the next line is checked as if the refused one did not exist.
#[derive(Debug, Clone)]
pub struct Decoder {
    geometry: Geometry,
    /// The cycle of the last command.
    last: Option<u64>,
    /// The lanes with a command in that cycle, one bit each.
    busy: u32,
}

impl Decoder {
    /// A decoder at the start of a trace for a register file of `geometry`.
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            last: None,
            busy: 0,
        }
    }

    /// Decodes one line of JSON, with or without its line end.
    ///
    /// # Errors
    /// [`Reason`] says what is wrong with the line.
    pub fn json(&mut self, line: &[u8]) -> Result<Command, Reason> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|error| Reason::NotUtf8 {
            byte: error.valid_up_to() + 1,
        })?;
        if line
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        {
            return Err(Reason::Empty);
        }
        let object: Object<'_> = serde_json::from_str(line).map_err(not_json)?;
        if let Some(problem) = object.problem {
            return Err(problem);
        }
        let op = object.op.ok_or(Reason::MissingOp)?;
        let op = string(op).ok_or_else(|| Reason::OpNotAString(Quote::new(op.get())))?;
        // Any other string keeps its quotes, which makes it malformed data.
        let hex = object
            .data
            .and_then(string)
            .filter(|text| text.starts_with("0x"));
        let data = object.data.map(|raw| hex.as_deref().unwrap_or(raw.get()));
        self.fields(&Fields {
            op: &op,
            addr: object.addr.map(RawValue::get),
            data,
            lane: object.lane.map(RawValue::get),
            cycle: object.cycle.map(RawValue::get),
        })
    }

    /// Checks the fields of one command.
    ///
    /// # Errors
    /// [`Reason`] says what is wrong with them.
    pub fn fields(&mut self, fields: &Fields<'_>) -> Result<Command, Reason> {
        let (op, name) = match (fields.op, Op::from_name(fields.op)) {
            ("rollback", _) => (Op::Accum, "rollback"),
            (_, Some(op)) => (op, op.name()),
            (other, None) => return Err(Reason::UnknownOp(Quote::new(other))),
        };
        let lane = self.lane(fields.lane, op, name)?;
        let addr = self.addr(fields.addr, op, name)?;
        let data = self.data(fields.data, op, name)?;
        let cycle = self.cycle(fields.cycle)?;

        let bit = 1 << lane;
        if self.last != Some(cycle) {
            self.last = Some(cycle);
            self.busy = 0;
        } else if self.busy & bit != 0 {
            return Err(Reason::LaneTwice { lane, cycle });
        }
        self.busy |= bit;
        Ok(Command {
            cycle,
            lane,
            op,
            addr,
            data,
        })
    }

    fn lane(&self, text: Option<&str>, op: Op, name: &'static str) -> Result<u32, Reason> {
        let Some(text) = text else { return Ok(0) };
        let lanes = self.geometry.lanes();
        let lane = integer("lane", text)?
            .and_then(|lane| u32::try_from(lane).ok())
            .filter(|&lane| lane < lanes)
            .ok_or_else(|| Reason::NoSuchLane {
                lane: Quote::new(text),
                lanes,
            })?;
        if lane != 0 && op != Op::Accum {
            return Err(Reason::NotOnThisLane { lane, op: name });
        }
        Ok(lane)
    }

    fn addr(&self, text: Option<&str>, op: Op, name: &'static str) -> Result<usize, Reason> {
        let depth = self.geometry.depth();
        let Some(text) = text else {
            return match op {
                Op::Nop => Ok(0),
                _ if depth == 1 => Ok(0),
                _ => Err(Reason::MissingAddr { op: name }),
            };
        };
        integer("addr", text)?
            .and_then(|addr| usize::try_from(addr).ok())
            .filter(|&addr| addr < depth)
            .ok_or_else(|| Reason::AddrOutside {
                addr: Quote::new(text),
                depth,
            })
    }

    fn data(&self, text: Option<&str>, op: Op, name: &'static str) -> Result<Data, Reason> {
        let Some(text) = text else {
            return match op.takes_data() {
                true => Err(Reason::MissingData { op: name }),
                false => Ok(Data::ZERO),
            };
        };
        if !op.takes_data() {
            return Err(Reason::RefusedData { op: name });
        }
        let layout = self.geometry.layout();
        let data = value::parse_word(&layout, text)?;
        Ok(match name {
            "rollback" => data.inverse(&layout),
            _ => data,
        })
    }

    fn cycle(&self, text: Option<&str>) -> Result<u64, Reason> {
        match (text, self.last) {
            (None, None) => Ok(0),
            (None, Some(last)) => last.checked_add(1).ok_or(Reason::CycleTooLarge),
            (Some(text), last) => {
                let cycle = integer("cycle", text)?.ok_or(Reason::CycleTooLarge)?;
                match last {
                    Some(previous) if cycle < previous => {
                        Err(Reason::CycleDecreases { cycle, previous })
                    }
                    _ => Ok(cycle),
                }
            }
        }
    }
}

/// The value of decimal digits; `None` if it does not fit into 64 bits.
fn integer(field: &'static str, text: &str) -> Result<Option<u64>, Reason> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::NotAnInteger {
            field,
            found: Quote::new(text),
        });
    }
    Ok(text.parse().ok())
}

/// The value of a JSON string; `None` for any other JSON.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn not_json(error: serde_json::Error) -> Reason {
    if error.classify() == Category::Data {
        return Reason::NotAnObject;
    }
    let what = error.to_string();
    let what = what.split(" at line ").next().unwrap_or(&what);
    Reason::NotJson {
        what: what.into(),
        column: error.column(),
    }
}

/// The fields of a line. Values remain text, so integers of any size are exact.
#[derive(Default)]
struct Object<'a> {
    op: Option<&'a RawValue>,
    addr: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    lane: Option<&'a RawValue>,
    cycle: Option<&'a RawValue>,
    /// The first unknown or duplicate field. It is reported after the whole line was parsed,
    /// because malformed JSON takes precedence.
    problem: Option<Reason>,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key()? {
            let (name, slot) = match key {
                Key::Op => ("op", &mut object.op),
                Key::Addr => ("addr", &mut object.addr),
                Key::Data => ("data", &mut object.data),
                Key::Lane => ("lane", &mut object.lane),
                Key::Cycle => ("cycle", &mut object.cycle),
                Key::Unknown(name) => {
                    object.problem.get_or_insert(Reason::UnknownField(name));
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                object.problem.get_or_insert(Reason::DuplicateField(name));
            }
        }
        Ok(object)
    }
}

enum Key {
    Op,
    Addr,
    Data,
    Lane,
    Cycle,
    Unknown(Quote),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "op" => Key::Op,
                    "addr" => Key::Addr,
                    "data" => Key::Data,
                    "lane" => Key::Lane,
                    "cycle" => Key::Cycle,
                    other => Key::Unknown(Quote::new(other)),
                })
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
