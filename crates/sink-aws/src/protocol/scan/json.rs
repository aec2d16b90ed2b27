//! The scan of JSON.

use memchr::{memchr, memchr_iter};

use super::{Places, form::Form, is_plain, places};
use crate::protocol::operation::{Encryption, Operation};

/// The places of so many stored records, if the answer says that of each.
pub(in crate::protocol) fn scan(body: &[u8], operation: &Operation) -> Option<Places> {
    // Once for all strings, many bytes at a time; quotation marks end them.
    if !is_plain(body) {
        return None;
    }
    let mut scan = Scan { body, at: 0, marks: 0 };
    let (mut records, mut has_count, mut has_encryption) = (None, false, false);
    scan.eat(b"{")?;
    loop {
        let key = scan.text()?;
        scan.eat(b":")?;
        if key == operation.records && records.is_none() {
            records = Some(scan.records(operation)?);
        } else if key == operation.failed && !has_count {
            has_count = true;
            scan.eat(b"0")?;
        } else if !has_encryption {
            has_encryption = true;
            match operation.encryption {
                Encryption::Text(name) if key == name => drop(scan.text()?),
                Encryption::Flag(name) if key == name => {
                    scan.eat(b"true").or_else(|| scan.eat(b"false"))?;
                }
                _ => return None,
            }
        } else {
            return None;
        }
        if scan.eat(b"}").is_some() {
            break;
        }
        scan.eat(b",")?;
    }
    // A string that holds a quotation mark is none. None does, if the answer has no others than those
    // around the strings.
    records.filter(|_| scan.at == body.len() && scan.marks == memchr_iter(b'"', body).count())
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
    /// Quotation marks that begin or end a string.
    marks: usize,
}

impl<'a> Scan<'a> {
    fn eat(&mut self, token: &[u8]) -> Option<()> {
        self.body[self.at..].starts_with(token).then(|| self.at += token.len())
    }

    /// A string: all that is between two quotation marks, as there are no escapes.
    fn range(&mut self) -> Option<(usize, usize)> {
        self.eat(b"\"")?;
        let start = self.at;
        let end = start + memchr(b'"', &self.body[start..])?;
        self.at = end + 1;
        self.marks += 2;
        Some((start, end))
    }

    fn text(&mut self) -> Option<&'a str> {
        let (start, end) = self.range()?;
        std::str::from_utf8(&self.body[start..end]).ok()
    }

    /// `"name":`, where the name is this one.
    fn key(&mut self, name: &str) -> bool {
        let rest = &self.body[self.at..];
        let length = name.len();
        let is_it = rest.len() > length + 3
            && rest[0] == b'"'
            && &rest[1..=length] == name.as_bytes()
            && &rest[length + 1..length + 3] == b"\":";
        if is_it {
            self.at += length + 3;
            self.marks += 2;
        }
        is_it
    }

    fn records(&mut self, operation: &Operation) -> Option<Places> {
        let mut places = places(self.body)?;
        self.eat(b"[")?;
        if self.eat(b"]").is_some() {
            return Some(places);
        }
        let mut form = None::<(Form<'_>, usize)>;
        loop {
            let rest = &self.body[self.at..];
            let (form, marks) = match &mut form {
                Some(known) if known.0.is_at(rest) => known,
                other => other.insert(self.record(operation)?),
            };
            places.push(form.place(self.at));
            self.at += form.length();
            self.marks += *marks;
            if self.eat(b"]").is_some() {
                return Some(places);
            }
            self.eat(b",")?;
        }
    }

    /// The record that stands here, and how many quotation marks it has. It is not passed over.
    fn record(&mut self, operation: &Operation) -> Option<(Form<'a>, usize)> {
        let (start, before) = (self.at, self.marks);
        let (mut id, mut stored_at) = (None, None);
        self.eat(b"{")?;
        loop {
            let (member, is_known) = if id.is_none() && self.key(operation.id) {
                (&mut id, true)
            } else {
                let is_place = operation.place.is_some_and(|name| self.key(name));
                (&mut stored_at, is_place)
            };
            if !is_known || member.is_some() {
                return None;
            }
            *member = Some(self.range().filter(|(start, end)| start < end)?);
            if self.eat(b"}").is_some() {
                break;
            }
            self.eat(b",")?;
        }
        let end = std::mem::replace(&mut self.at, start);
        let marks = std::mem::replace(&mut self.marks, before) - before;
        Some((Form::new(self.body, (start, end), id?, stored_at), marks))
    }
}
