//! What people save from a message: parts, files in texts, and files in a `winmail.dat`.
//!
//! Standards: RFC 8621 §4.1.4 (which parts are attachments).
//! Not here: writing files (crate `mailbag`).

use std::borrow::Cow;

use crate::embedded::EmbeddedFile;
use crate::message::Message;
use crate::part::Part;
use crate::tnef::TnefFile;

/// What has a number in a message and octets of its own.
///
/// ```
/// let message = message::Message::parse(b"\r\nLook:\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n");
/// let attached = message.attached();
/// assert_eq!(attached[0].id(), "1/1");
/// assert_eq!(attached[0].file_name().as_deref(), Some("cat.txt"));
/// assert_eq!(attached[0].octets().as_ref(), b"Cat");
/// ```
#[derive(Clone, Debug)]
pub enum Piece<'a> {
    /// A part, with its IMAP section number.
    Part(Part<'a>),
    /// A file in the text of a part.
    File(EmbeddedFile<'a>),
    /// A file in a part that is a `winmail.dat`.
    Packed {
        /// The number of that part, a slash, and which file in it it is, from 1.
        id: String,
        /// The file.
        file: TnefFile<'a>,
    },
}

impl<'a> Piece<'a> {
    /// Its number: `2.1` is a part, `2.1/1` the first file in the text of that part.
    pub fn id(&self) -> String {
        match self {
            Self::Part(part) => part.id(),
            Self::File(file) => file.id().to_owned(),
            Self::Packed { id, .. } => id.clone(),
        }
    }

    /// A name under which it can be saved anywhere, if the sender gave one.
    pub fn file_name(&self) -> Option<String> {
        match self {
            Self::Part(part) => part.file_name(),
            Self::File(file) => Some(file.file_name()),
            Self::Packed { file, .. } => Some(file.file_name()),
        }
    }

    /// The type of a part, the encoding of a file in a text: `text/plain`, `uuencode`,
    /// `tnef`.
    pub fn form(&self) -> String {
        match self {
            Self::Part(part) => {
                let content_type = part.content_type();
                format!("{}/{}", content_type.main(), content_type.sub())
            }
            Self::File(file) => file.encoding().as_str().to_owned(),
            Self::Packed { .. } => "tnef".to_owned(),
        }
    }

    /// Its octets, decoded.
    pub fn octets(&self) -> Cow<'a, [u8]> {
        match self {
            Self::Part(part) => part.decoded(),
            Self::File(file) => Cow::Owned(file.decoded().octets),
            Self::Packed { file, .. } => file.octets.clone(),
        }
    }
}

impl Message<'_> {
    /// All that is attached: the [attachments](Self::attachments), each with the files that are
    /// [packed](Part::tnef_files) in it, then the [files in texts](Self::embedded_files).
    pub fn attached(&self) -> Vec<Piece<'_>> {
        let parts = self.attachments().into_iter().flat_map(|part| {
            let packed = packed(&part);
            std::iter::once(Piece::Part(part)).chain(packed)
        });
        parts.chain(self.embedded_files().into_iter().map(Piece::File)).collect()
    }

    /// The piece with this [number](Piece::id).
    pub fn piece(&self, id: &str) -> Option<Piece<'_>> {
        let part = self.part(id).map(Piece::Part);
        part.or_else(|| self.embedded_file(id).map(Piece::File)).or_else(|| {
            let (part, _) = id.split_once('/')?;
            packed(&self.part(part)?).into_iter().find(|piece| piece.id() == id)
        })
    }

    /// The numbers of all pieces.
    pub fn piece_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for part in self.parts() {
            ids.extend(Some(part.id()).filter(|id| !id.is_empty()));
            ids.extend(part.embedded_files().iter().map(|file| file.id().to_owned()));
            ids.extend(packed(&part).iter().map(Piece::id));
        }
        ids
    }
}

fn packed<'a>(part: &Part<'a>) -> Vec<Piece<'a>> {
    let files = (1..).zip(part.tnef_files());
    files
        .map(|(number, file)| Piece::Packed { id: format!("{}/{number}", part.id()), file })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::Message;

    #[test]
    fn files_in_a_container_are_attached_too() {
        let packed = crate::tnef::tests::container(&[("../a.txt", b"hello"), ("b", b"")]);
        let fields = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n\
            --b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n";
        let content = [fields.as_slice(), &packed, b"\r\n--b--\r\n"].concat();
        let message = Message::parse(&content);
        let ids: Vec<_> = message.attached().iter().map(super::Piece::id).collect();
        assert_eq!(ids, ["2", "2/1", "2/2"]);
        assert_eq!(message.piece_ids(), ["1", "2", "2/1", "2/2"]);
        let first = message.piece("2/1").unwrap();
        let found = (first.file_name(), first.form(), first.octets().into_owned());
        assert_eq!(found, (Some("a.txt".to_owned()), "tnef".to_owned(), b"hello".to_vec()));
        assert!(message.piece("2/3").is_none() && message.piece("1/1").is_none());
    }

    #[test]
    fn pieces_are_found_by_their_number() {
        let content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\n\r\nbegin 644 ../cat.txt\n#0V%T\nend\n\r\n\
            --b\r\nContent-Type: a/b; name=\"/etc/x\"\r\n\r\nx\r\n\
            --b\r\nContent-Type: a/b\r\n\r\ny\r\n--b--\r\n";
        let message = Message::parse(content);
        assert_eq!(message.piece_ids(), ["1", "1/1", "2", "3"]);
        type Row<'t> = (&'t str, Option<&'t str>, &'t str, &'t [u8], &'t str);
        let table: [Row<'_>; 3] = [
            ("2", Some("x"), "a/b", b"x", "a part"),
            ("3", None, "a/b", b"y", "a part without a name"),
            ("1/1", Some("cat.txt"), "uuencode", b"Cat", "files stand last"),
        ];
        let attached = message.attached();
        assert_eq!(attached.len(), table.len());
        for ((id, name, form, octets, why), one) in table.into_iter().zip(attached) {
            assert_eq!((one.id().as_str(), one.form().as_str()), (id, form), "{why}");
            let found = message.piece(id).unwrap();
            assert_eq!((found.file_name().as_deref(), &*found.octets()), (name, octets), "{why}");
            assert_eq!(found.octets(), one.octets(), "{why}");
        }
        for id in ["", "4", "1/2", "2/1", "1/", "/1"] {
            let found = message.piece(id).map(|piece| piece.id());
            assert_eq!(found.as_deref(), (id.is_empty()).then_some(""), "{id:?}");
        }
    }
}
