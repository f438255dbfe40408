//! What people save from a message: parts, and files in texts.
//!
//! Standards: RFC 8621 §4.1.4 (which parts are attachments).
//! Not here: writing files (crate `mailbag`).

use std::borrow::Cow;

use crate::embedded::EmbeddedFile;
use crate::message::Message;
use crate::part::Part;

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
}

impl<'a> Piece<'a> {
    /// Its number: `2.1` is a part, `2.1/1` the first file in the text of that part.
    pub fn id(&self) -> String {
        match self {
            Self::Part(part) => part.id(),
            Self::File(file) => file.id().to_owned(),
        }
    }

    /// A name under which it can be saved anywhere, if the sender gave one.
    pub fn file_name(&self) -> Option<String> {
        match self {
            Self::Part(part) => part.file_name(),
            Self::File(file) => Some(file.file_name()),
        }
    }

    /// The type of a part, the encoding of a file in a text: `text/plain`, `uuencode`.
    pub fn form(&self) -> String {
        match self {
            Self::Part(part) => {
                let content_type = part.content_type();
                format!("{}/{}", content_type.main(), content_type.sub())
            }
            Self::File(file) => file.encoding().as_str().to_owned(),
        }
    }

    /// Its octets, decoded.
    pub fn octets(&self) -> Cow<'a, [u8]> {
        match self {
            Self::Part(part) => part.decoded(),
            Self::File(file) => Cow::Owned(file.decoded().octets),
        }
    }
}

impl Message<'_> {
    /// All that is attached: the [attachments](Self::attachments), then the
    /// [files in texts](Self::embedded_files).
    pub fn attached(&self) -> Vec<Piece<'_>> {
        let parts = self.attachments().into_iter().map(Piece::Part);
        parts.chain(self.embedded_files().into_iter().map(Piece::File)).collect()
    }

    /// The piece with this [number](Piece::id).
    pub fn piece(&self, id: &str) -> Option<Piece<'_>> {
        let part = self.part(id).map(Piece::Part);
        part.or_else(|| self.embedded_file(id).map(Piece::File))
    }

    /// The numbers of all pieces.
    pub fn piece_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for part in self.parts() {
            ids.extend(Some(part.id()).filter(|id| !id.is_empty()));
            ids.extend(part.embedded_files().iter().map(|file| file.id().to_owned()));
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use crate::Message;

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
