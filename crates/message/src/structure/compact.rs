//! The tree of a message as few octets, to keep it beside the message.
//!
//! Numbers are written as differences in groups of seven bits, so a usual message of two parts
//! and twenty fields takes about a hundred octets.
//!
//! Standards: none; the version octet comes first.
//! Not here: where it is kept (crate `store`).

use super::{DEPTH_MAX, Entity, EntityKind, FIELDS_MAX, FieldEntry, PARTS_MAX, Structure};

/// The form that we write. Another one is read as nothing, and the message is parsed again.
const VERSION: u8 = 1;

impl Structure {
    /// Writes the tree, without its defects.
    ///
    /// ```
    /// use message::{Message, Structure};
    /// let content = b"Subject: x\r\n\r\nbody";
    /// let kept = Message::parse(content).structure().to_octets();
    /// let structure = Structure::from_octets(&kept).unwrap();
    /// assert_eq!(Message::with_structure(content, &structure).root().body(), b"body");
    /// ```
    pub fn to_octets(&self) -> Vec<u8> {
        let mut writer = Writer { octets: vec![VERSION] };
        writer.number(self.octets);
        writer.number(self.entities.len());
        for (index, entity) in self.entities.iter().enumerate() {
            writer.number(kind_number(entity.kind));
            writer.number(entity.parent.map_or(0, |parent| index - parent));
            writer.number(entity.ordinal);
            writer.number(entity.descendants_end.saturating_sub(index));
            writer.number(entity.start);
            writer.number(entity.fields_end.saturating_sub(entity.start));
            writer.number(entity.body.start.saturating_sub(entity.fields_end));
            writer.number(entity.body.end.saturating_sub(entity.body.start));
            let fields = self.fields.get(entity.fields.clone()).unwrap_or_default();
            writer.number(fields.len());
            for field in fields {
                writer.number(field.end - field.start);
                writer.number(field.name_octets);
                writer.number(field.value_at.saturating_sub(field.name_octets));
            }
        }
        writer.octets
    }

    /// Reads a tree again; `None` for anything that is not one.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: octets.strip_prefix(&[VERSION])? };
        let mut structure = Self { octets: reader.number()?, ..Self::default() };
        let count = reader.number()?;
        if count > PARTS_MAX + DEPTH_MAX + 1 {
            return None;
        }
        for index in 0..count {
            let entity = structure.entity(index, &mut reader)?;
            structure.entities.push(entity);
        }
        let is_whole = reader.rest.is_empty() && !structure.entities.is_empty();
        is_whole.then_some(structure)
    }

    fn entity(&mut self, index: usize, reader: &mut Reader<'_>) -> Option<Entity> {
        let kind = match reader.number()? {
            0 => EntityKind::Leaf,
            1 => EntityKind::Multipart,
            2 => EntityKind::Digest,
            3 => EntityKind::Message,
            _ => return None,
        };
        let parent = match reader.number()? {
            0 => None,
            back => Some(index.checked_sub(back)?),
        };
        let ordinal = reader.number()?;
        let descendants_end = index.checked_add(reader.number()?)?;
        let start = reader.number()?;
        let fields_end = start.checked_add(reader.number()?)?;
        let body_start = fields_end.checked_add(reader.number()?)?;
        let body_end = body_start.checked_add(reader.number()?)?;
        let count = reader.number()?;
        let first = self.fields.len();
        if body_end > self.octets || first.checked_add(count)? > FIELDS_MAX + PARTS_MAX {
            return None;
        }
        let mut at = start;
        for _ in 0..count {
            let end = at.checked_add(reader.number()?)?;
            let name_octets = reader.number()?;
            let value_at = name_octets.checked_add(reader.number()?)?;
            self.fields.push(FieldEntry { start: at, end, name_octets, value_at });
            at = end;
        }
        if at > self.octets {
            return None;
        }
        let fields = first..self.fields.len();
        let body = body_start..body_end;
        Some(Entity { kind, parent, ordinal, descendants_end, fields, start, fields_end, body })
    }
}

fn kind_number(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Leaf => 0,
        EntityKind::Multipart => 1,
        EntityKind::Digest => 2,
        EntityKind::Message => 3,
    }
}

struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    fn number(&mut self, mut number: usize) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.octets.push(low & 0x7F);
                return;
            }
            self.octets.push(low | 0x80);
        }
    }
}

struct Reader<'o> {
    rest: &'o [u8],
}

impl Reader<'_> {
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let (octet, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= usize::from(octet & 0x7F) << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Structure;

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("Content-Type: multipart/mixed; boundary=a\r\n\r\n".to_owned()),
            Just("Content-Type: multipart/digest; boundary=b\r\n\r\n".to_owned()),
            Just("Content-Type: message/rfc822\r\n\r\n".to_owned()),
            Just("--a\r\n".to_owned()),
            Just("--b\r\n".to_owned()),
            Just("--a--\r\n".to_owned()),
            Just("\r\n".to_owned()),
            "[A-C]: [a-z]{0,200}\r\n",
            "[a-z]{0,40}\r\n",
        ]
    }

    proptest! {
        #[test]
        fn trees_come_back(pieces in vec(piece(), 0..20)) {
            let content = pieces.concat();
            let structure = Structure::parse(content.as_bytes());
            let octets = structure.to_octets();
            let read = Structure::from_octets(&octets);
            prop_assert_eq!(read, Some(Structure { defects: Vec::new(), ..structure }));
        }

        #[test]
        fn anything_else_is_refused_or_harmless(octets in vec(0_u8..6, 0..40)) {
            let octets = [vec![super::VERSION], octets].concat();
            if let Some(structure) = Structure::from_octets(&octets) {
                let message = crate::Message::with_structure(b"abc", &structure);
                for part in message.parts() {
                    let _ = part.body().len() + part.parts().count() + part.id().len();
                }
                drop(message.text_to_show());
            }
        }
    }
}
