//! The scan of CBOR: maps and lists of known or unknown length, short texts, no tags.

use super::{Places, form::Form, is_plain, places};
use crate::protocol::operation::{Encryption, Operation};

const NUMBER: u8 = 0;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const END: u8 = 0xff;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// The places of so many stored records, if the answer says that of each.
pub(in crate::protocol) fn scan(body: &[u8], operation: &Operation) -> Option<Places> {
    let mut scan = Scan { body, at: 0 };
    let (mut records, mut has_count, mut has_encryption) = (None, false, false);
    let mut members = scan.open(MAP)?;
    while scan.has_next(&mut members)? {
        let (start, end) = scan.text()?;
        let key = &body[start..end];
        if key == operation.records.as_bytes() && records.is_none() {
            records = Some(scan.records(operation)?);
        } else if key == operation.failed.as_bytes() && !has_count {
            has_count = true;
            (scan.head()? == (NUMBER, Some(0))).then_some(())?;
        } else if !has_encryption {
            has_encryption = true;
            match operation.encryption {
                Encryption::Text(name) if key == name.as_bytes() => drop(scan.text()?),
                Encryption::Flag(name) if key == name.as_bytes() => {
                    [FALSE, TRUE].contains(&scan.byte()?).then_some(())?;
                }
                _ => return None,
            }
        } else {
            return None;
        }
    }
    records.filter(|_| scan.at == body.len())
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.body.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Type and number of an item; no number where the length is unknown.
    fn head(&mut self) -> Option<(u8, Option<usize>)> {
        let byte = self.byte()?;
        let number = match byte & 0x1f {
            small @ 0..=23 => usize::from(small),
            24 => usize::from(self.byte()?),
            25 => usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
            31 => return Some((byte >> 5, None)),
            _ => return None, // longer than any answer to 500 records
        };
        Some((byte >> 5, Some(number)))
    }

    /// Begins a map or a list: how many items are left of it, `None` where its end says so.
    fn open(&mut self, kind: u8) -> Option<Option<usize>> {
        self.head().filter(|(found, _)| *found == kind).map(|(_, length)| length)
    }

    /// Whether another item follows. `None` at the end of the answer.
    fn has_next(&mut self, left: &mut Option<usize>) -> Option<bool> {
        match left {
            Some(0) => Some(false),
            Some(left) => {
                *left -= 1;
                Some(true)
            }
            None if *self.body.get(self.at)? == END => {
                self.at += 1;
                Some(false)
            }
            None => Some(true),
        }
    }

    fn text(&mut self) -> Option<(usize, usize)> {
        let (TEXT, Some(length)) = self.head()? else { return None };
        let start = self.at;
        let text = self.body.get(start..start + length)?;
        self.at += length;
        is_plain(text).then_some((start, self.at))
    }

    fn records(&mut self, operation: &Operation) -> Option<Places> {
        let mut places = places(self.body)?;
        let mut left = self.open(LIST)?;
        let mut form = None::<Form<'_>>;
        while self.has_next(&mut left)? {
            let rest = self.body.get(self.at..)?;
            let form = match &mut form {
                Some(form) if self.is_next(form, rest) => form,
                other => other.insert(self.record(operation)?),
            };
            places.push(form.place(self.at));
            self.at += form.length();
        }
        Some(places)
    }

    /// Whether the record that stands here looks the same, and its strings are plain.
    fn is_next(&self, form: &Form<'_>, rest: &[u8]) -> bool {
        let strings = || form.strings(self.at).into_iter();
        form.is_at(rest) && strings().all(|(start, end)| is_plain(&self.body[start..end]))
    }

    /// The record that stands here, which is not passed over.
    fn record(&mut self, operation: &Operation) -> Option<Form<'a>> {
        let start = self.at;
        let (mut id, mut stored_at) = (None, None);
        let mut left = self.open(MAP)?;
        while self.has_next(&mut left)? {
            let (start, end) = self.text()?;
            let key = &self.body[start..end];
            let member = if key == operation.id.as_bytes() {
                &mut id
            } else if operation.place.is_some_and(|name| key == name.as_bytes()) {
                &mut stored_at
            } else {
                return None;
            };
            if member.is_some() {
                return None;
            }
            *member = Some(self.text().filter(|(start, end)| start < end)?);
        }
        let end = std::mem::replace(&mut self.at, start);
        Some(Form::new(self.body, (start, end), id?, stored_at))
    }
}
