//! Finds headers, bodies and parts in a message, as ranges of its octets.
//!
//! One pass forward, no recursion, nothing copied. Where no multipart is open, a body is
//! skipped without being read; otherwise only lines that begin with `--` are looked at.
//!
//! ```text
//!   header → leaf ─────────────→ next delimiter ─┬→ header of the next part
//!          → multipart: open it → next delimiter ┤
//!          → message: open it → header           └→ close: epilogue, then the parent's delimiter
//! ```
//!
//! A delimiter of any open multipart ends everything inside of it, so a part that is not closed
//! cannot swallow its siblings.
//!
//! Standards: RFC 5322 §2.1 and §2.2, RFC 2046 §5.1 and §5.2.
//! Not here: what the fields say, except for type and encoding of a container.

mod compact;

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::content::{Container, MultipartKind, TransferEncoding, container};
use crate::defect::{Defect, DefectCode};

/// Parts inside parts; deeper ones are not opened. Real mail has at most about ten.
pub const DEPTH_MAX: usize = 100;
/// Parts in a message, containers included; the rest is not split.
pub const PARTS_MAX: usize = 10_000;
/// Header fields in a message, all parts together; the rest of a header is one block.
pub const FIELDS_MAX: usize = 100_000;
/// Octets of one header after which no new field is read; the rest of it is one block. The
/// longest headers of real mail, with hundreds of Received and ARC fields, have 300 KB.
pub const HEADER_OCTETS_MAX: usize = 8 << 20;
/// Defects noted for a message.
pub const DEFECTS_MAX: usize = 1_000;

/// Where one field is: octets from the start of the message, and lengths inside the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldEntry {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Zero for a line that is not a field.
    pub(crate) name_octets: usize,
    /// Where the value begins, after the colon.
    pub(crate) value_at: usize,
}

impl FieldEntry {
    fn is(&self, source: &[u8], name: &str) -> bool {
        self.name_octets == name.len()
            && source
                .get(self.start..self.start + name.len())
                .is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What is inside a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EntityKind {
    Leaf,
    Multipart,
    Digest,
    Message,
}

/// One part: its place in the tree, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    pub(crate) kind: EntityKind,
    pub(crate) parent: Option<usize>,
    /// Which of its multipart's parts it is, from 1; 1 for a message in a part, and the root.
    pub(crate) ordinal: usize,
    /// The index after the last of its descendants.
    pub(crate) descendants_end: usize,
    pub(crate) fields: Range<usize>,
    /// Where the header starts, its fields end, the body starts, and the body ends.
    pub(crate) start: usize,
    pub(crate) fields_end: usize,
    pub(crate) body: Range<usize>,
}

/// The tree of a message: ranges, without the octets they point to.
///
/// ```
/// use message::{Message, Structure};
/// let content = b"Subject: x\r\n\r\nbody";
/// let structure = Structure::parse(content); // keep it beside the content …
/// assert_eq!(Message::with_structure(content, &structure).root().body(), b"body");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Every part after its parent, siblings in their order.
    pub(crate) entities: Vec<Entity>,
    pub(crate) fields: Vec<FieldEntry>,
    pub(crate) defects: Vec<Defect>,
    pub(crate) octets: usize,
}

impl Structure {
    /// Reads the structure of a message.
    pub fn parse(content: &[u8]) -> Self {
        Parser::new(content).run()
    }

    /// IMAP's section number of a part (RFC 9051 §6.4.5.1).
    pub(crate) fn section(&self, index: usize) -> String {
        let mut numbers = Vec::new();
        let mut at = index;
        while let Some(entity) = self.entities.get(at) {
            let is_container = matches!(entity.kind, EntityKind::Multipart | EntityKind::Digest);
            let is_root = entity.parent.is_none_or(|parent| {
                self.entities.get(parent).is_some_and(|parent| parent.kind == EntityKind::Message)
            });
            // The multipart that is a message's whole body has no number of its own.
            if !(is_root && is_container) {
                numbers.push(entity.ordinal.to_string());
            }
            let Some(parent) = entity.parent else { break };
            at = parent;
        }
        numbers.reverse();
        numbers.join(".")
    }
}

/// What a header scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderScan {
    /// Where the last field ends.
    pub(crate) fields_end: usize,
    /// Where the body begins: after the empty line, if there is one.
    pub(crate) body: usize,
    /// A delimiter that ended the header too early.
    hit: Option<Delimiter>,
    fault: Option<(DefectCode, usize)>,
}

/// A delimiter line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter {
    /// Which of the open containers it belongs to.
    level: usize,
    is_closing: bool,
    /// The line end before the delimiter is part of it.
    before: usize,
    after: usize,
}

/// Reads fields from `at` on. `delimiter` says whether a line belongs to an open multipart.
pub(crate) fn scan_header(
    source: &[u8],
    at: usize,
    fields: &mut Vec<FieldEntry>,
    delimiter: &mut dyn FnMut(Range<usize>) -> Option<Delimiter>,
) -> HeaderScan {
    let first = fields.len();
    let begun = at;
    let mut fault = None;
    let mut at = at;
    loop {
        let line = line_at(source, at);
        let end = at + line.len();
        let done = |body, hit, fault| HeaderScan { fields_end: at, body, hit, fault };
        match line {
            [] | b"\n" | b"\r\n" => return done(end, None, fault),
            [b'-', b'-', ..] => {
                if let Some(hit) = delimiter(at..end) {
                    return done(at, Some(hit), fault.or(Some((DefectCode::MissingHeaderEnd, at))));
                }
            }
            [b' ' | b'\t', ..] if fields.len() > first => {
                extend_last(fields, end);
                at = end;
                continue;
            }
            _ => {}
        }
        let colon = field_name(line);
        if colon.is_none() {
            let next = line_at(source, end);
            let is_header = if fields.len() > first {
                is_header_line(next)
            } else {
                field_name(next).is_some()
            };
            // A delimiter with a colon in it looks like a field.
            let is_end = next.starts_with(b"--") && delimiter(end..end + next.len()).is_some();
            if !is_header || is_end {
                return done(at, None, Some((DefectCode::MissingHeaderEnd, at)));
            }
            fault = fault.or(Some((DefectCode::NotAField, at)));
        }
        if fields.len() >= FIELDS_MAX || at - begun >= HEADER_OCTETS_MAX {
            fault = Some((DefectCode::TooManyFields, at));
            match fields.get(first..).and_then(<[FieldEntry]>::last) {
                Some(last) if last.name_octets == 0 => extend_last(fields, end),
                _ => fields.push(FieldEntry { start: at, end, name_octets: 0, value_at: 0 }),
            }
        } else {
            let (name_octets, value_at) = colon.unwrap_or((0, 0));
            fields.push(FieldEntry { start: at, end, name_octets, value_at });
        }
        at = end;
    }
}

fn extend_last(fields: &mut [FieldEntry], end: usize) {
    if let Some(last) = fields.last_mut() {
        last.end = end;
    }
}

/// The line that begins at `at`, with its line end; empty at the end of the source.
pub(crate) fn line_at(source: &[u8], at: usize) -> &[u8] {
    let rest = source.get(at..).unwrap_or_default();
    match memchr(b'\n', rest) {
        Some(end) => rest.get(..=end).unwrap_or(rest),
        None => rest,
    }
}

/// Length of the field name that a line begins with, and where the value begins. RFC 5322 §4.5
/// allows white space before the colon.
pub(crate) fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let length = line.iter().position(|octet| !matches!(octet, 33..=57 | 59..=126))?;
    let rest = line.get(length..)?;
    let space = rest.iter().position(|octet| !matches!(octet, b' ' | b'\t'))?;
    (length > 0 && rest.get(space) == Some(&b':')).then_some((length, length + space + 1))
}

/// Whether a line after a strange one shows that the header still goes on.
fn is_header_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n") || field_name(line).is_some()
}

/// A container that waits for its end.
#[derive(Debug)]
struct Open {
    entity: usize,
    /// What its delimiters look like; `None` for a message, and for a multipart that is closed
    /// or has no boundary.
    boundary: Option<Vec<u8>>,
    parts: usize,
}

struct Parser<'m> {
    source: &'m [u8],
    finder: memmem::Finder<'static>,
    tree: Structure,
    /// Kind and place of each defect; the part's number is known only at the end.
    defects: Vec<(DefectCode, usize, usize)>,
    open: Vec<Open>,
    /// The leaf that waits for its end.
    leaf: Option<usize>,
}

impl<'m> Parser<'m> {
    fn new(source: &'m [u8]) -> Self {
        Self {
            source,
            finder: memmem::Finder::new(b"\n--"),
            tree: Structure { octets: source.len(), ..Structure::default() },
            defects: Vec::new(),
            open: Vec::new(),
            leaf: None,
        }
    }

    fn run(mut self) -> Structure {
        let mut next = Some(0);
        while let Some(at) = next {
            let (body, hit) = self.entity(at);
            let hit = match (hit, body) {
                (Some(hit), _) => Some(hit),
                (None, Next::Header(body)) => {
                    next = Some(body);
                    continue;
                }
                (None, Next::Delimiter(body)) => self.next_delimiter(body),
            };
            next = self.follow(hit);
        }
        self.finish()
    }

    fn note(&mut self, code: DefectCode, entity: usize, offset: usize) {
        if self.defects.len() < DEFECTS_MAX {
            self.defects.push((code, entity, offset));
        }
    }

    /// Reads the header at `at` and adds the entity; says where to go on.
    fn entity(&mut self, at: usize) -> (Next, Option<Delimiter>) {
        let index = self.tree.entities.len();
        let first_field = self.tree.fields.len();
        let (source, open) = (self.source, &self.open);
        let scan = scan_header(source, at, &mut self.tree.fields, &mut |line| {
            match_delimiter(source, open, line)
        });
        let parent = self.open.last().map(|open| open.entity);
        let ordinal = self.open.last().map_or(1, |open| open.parts.max(1));
        self.tree.entities.push(Entity {
            kind: EntityKind::Leaf,
            parent,
            ordinal,
            descendants_end: 0,
            fields: first_field..self.tree.fields.len(),
            start: at,
            fields_end: scan.fields_end,
            body: scan.body..source.len(),
        });
        if let Some((code, offset)) = scan.fault {
            self.note(code, index, offset);
        }
        let next = self.open_container(index, scan.body);
        // The line end before this delimiter ends the last field.
        (next, scan.hit.map(|hit| Delimiter { before: scan.body, ..hit }))
    }

    /// Decides what is inside an entity, and opens it.
    fn open_container(&mut self, index: usize, body: usize) -> Next {
        let (container, offset) = self.container_of(index);
        let Some(container) = container else {
            self.leaf = Some(index);
            return Next::Delimiter(body);
        };
        if self.open.len() >= DEPTH_MAX {
            self.note(DefectCode::TooDeep, index, body);
            self.leaf = Some(index);
            return Next::Delimiter(body);
        }
        let is_encoded = self.encoding_of(index).is_encoded();
        if is_encoded {
            self.note(DefectCode::EncodedContainer, index, offset);
        }
        let (kind, boundary) = match container {
            Container::Message if is_encoded => {
                self.leaf = Some(index); // its parts are no octets of this message
                return Next::Delimiter(body);
            }
            Container::Message => (EntityKind::Message, None),
            Container::Multipart(boundary, kind) => {
                if boundary.is_none() {
                    self.note(DefectCode::MissingBoundary, index, offset);
                }
                let is_digest = kind == MultipartKind::Digest;
                (if is_digest { EntityKind::Digest } else { EntityKind::Multipart }, boundary)
            }
        };
        if let Some(entity) = self.tree.entities.get_mut(index) {
            entity.kind = kind;
        }
        self.open.push(Open { entity: index, boundary, parts: 0 });
        if kind == EntityKind::Message { Next::Header(body) } else { Next::Delimiter(body) }
    }

    /// The container that an entity is, and where it says so.
    fn container_of(&self, index: usize) -> (Option<Container>, usize) {
        let Some(entity) = self.tree.entities.get(index) else { return (None, 0) };
        if let Some(field) = self.field_of(entity, "Content-Type") {
            let value = self.source.get(field.start + field.value_at..field.end);
            return (container(value.unwrap_or_default()), field.start);
        }
        // RFC 2046 §5.1.5: the default in a digest.
        let parent = entity.parent.and_then(|parent| self.tree.entities.get(parent));
        let is_in_digest = parent.is_some_and(|parent| parent.kind == EntityKind::Digest);
        (is_in_digest.then_some(Container::Message), entity.start)
    }

    fn encoding_of(&self, index: usize) -> TransferEncoding {
        let field = self.tree.entities.get(index).and_then(|entity| {
            let field = self.field_of(entity, "Content-Transfer-Encoding")?;
            self.source.get(field.start + field.value_at..field.end)
        });
        field.map_or(TransferEncoding::SevenBit, TransferEncoding::parse)
    }

    fn field_of(&self, entity: &Entity, name: &str) -> Option<&FieldEntry> {
        let fields = self.tree.fields.get(entity.fields.clone())?;
        fields.iter().find(|field| field.is(self.source, name))
    }

    /// The next delimiter at or after `from`, which is the start of a line.
    fn next_delimiter(&self, from: usize) -> Option<Delimiter> {
        if self.open.iter().all(|open| open.boundary.is_none()) {
            return None;
        }
        let mut at = from;
        loop {
            if self.source.get(at..).is_some_and(|rest| rest.starts_with(b"--")) {
                let end = at + line_at(self.source, at).len();
                if let Some(hit) = match_delimiter(self.source, &self.open, at..end) {
                    // The line end before it belongs to it, but not one of the header above.
                    return Some(Delimiter { before: hit.before.max(from), ..hit });
                }
            }
            at += self.finder.find(self.source.get(at..)?)? + 1;
        }
    }

    /// Acts on a delimiter; says where the next part begins.
    fn follow(&mut self, hit: Option<Delimiter>) -> Option<usize> {
        let mut hit = hit;
        while let Some(delimiter) = hit {
            self.end_inside(delimiter.level, delimiter.before);
            let is_full = self.tree.entities.len() >= PARTS_MAX;
            let open = self.open.get_mut(delimiter.level)?;
            if !delimiter.is_closing && !is_full {
                open.parts += 1;
                return Some(delimiter.after);
            }
            open.boundary = None;
            if !delimiter.is_closing {
                let entity = open.entity;
                // Beyond DEFECTS_MAX too: it happens once, and explains the rest.
                self.defects.push((DefectCode::TooManyParts, entity, delimiter.before));
                for open in &mut self.open {
                    open.boundary = None;
                }
                return None;
            }
            hit = self.next_delimiter(delimiter.after);
        }
        None
    }

    /// Ends the open leaf and all containers inside of `level`.
    fn end_inside(&mut self, level: usize, at: usize) {
        if let Some(leaf) = self.leaf.take() {
            self.end_entity(leaf, at);
        }
        while self.open.len() > level + 1 {
            let Some(open) = self.open.pop() else { break };
            self.end_container(&open, at);
        }
    }

    fn end_container(&mut self, open: &Open, at: usize) {
        if open.boundary.is_some() {
            let code =
                if open.parts == 0 { DefectCode::NoParts } else { DefectCode::UnclosedMultipart };
            self.note(code, open.entity, at);
        }
        self.end_entity(open.entity, at);
    }

    fn end_entity(&mut self, index: usize, at: usize) {
        let descendants_end = self.tree.entities.len();
        if let Some(entity) = self.tree.entities.get_mut(index) {
            entity.body.end = at.max(entity.body.start);
            entity.descendants_end = descendants_end;
        }
    }

    fn finish(mut self) -> Structure {
        let end = self.source.len();
        if let Some(leaf) = self.leaf.take() {
            self.end_entity(leaf, end);
        }
        while let Some(open) = self.open.pop() {
            self.end_container(&open, end);
        }
        let mut tree = self.tree;
        self.defects.sort_by_key(|(_, _, offset)| *offset);
        let defects = self.defects.into_iter().map(|(code, entity, offset)| {
            let part = tree.section(entity);
            Defect { code, part, offset }
        });
        tree.defects = defects.collect();
        tree
    }
}

/// Where to go on after a header.
enum Next {
    /// A header begins there.
    Header(usize),
    /// Search for a delimiter from there.
    Delimiter(usize),
}

/// Which open multipart a line that begins with `--` belongs to.
///
/// RFC 2046 §5.1.1: it is enough that a line begins with the boundary. Boundaries may begin
/// with one another, though: a line that is exactly one of them is that one, innermost first;
/// otherwise the longest counts.
fn match_delimiter(source: &[u8], open: &[Open], line: Range<usize>) -> Option<Delimiter> {
    let (start, after) = (line.start, line.end);
    let text = source.get(line)?.strip_prefix(b"--")?;
    let mut best: Option<(usize, usize, bool)> = None;
    for (level, container) in open.iter().enumerate().rev() {
        let Some(boundary) = &container.boundary else { continue };
        let Some(rest) = text.strip_prefix(boundary.as_slice()) else { continue };
        // White space here is what a boundary with forbidden white space at its end leaves.
        let (is_closing, rest) = match rest.trim_ascii_start().strip_prefix(b"--") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.trim_ascii().is_empty() {
            best = Some((level, boundary.len(), is_closing));
            break;
        }
        if best.is_none_or(|(_, length, _)| length < boundary.len()) {
            best = Some((level, boundary.len(), is_closing));
        }
    }
    let (level, _, is_closing) = best?;
    let head = source.get(..start)?;
    let before = head
        .strip_suffix(b"\n")
        .map_or(start, |head| head.strip_suffix(b"\r").unwrap_or(head).len());
    Some(Delimiter { level, is_closing, before, after })
}

#[cfg(test)]
mod tests;
