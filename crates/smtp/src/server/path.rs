//! Paths: the `<…>` of MAIL and RCPT.
//!
//! Standards: RFC 5321 §4.1.2 (Path), appendix C (source routes), §4.5.3.1.3 (length), RFC 6531
//! §3.4 and §3.5 (UTF-8 only in a transaction with SMTPUTF8).
//! Not here: the addresses themselves (crate `envelope`).

use envelope::{Address, AddressError, Domain, EnhancedStatus};

use crate::reply::Reply;

/// Longest path with its brackets (RFC 5321 §4.5.3.1.3).
const PATH_OCTETS_MAX: usize = 256;

/// Why an argument does not begin with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// The keyword or a bracket is missing.
    Form,
    /// The octets between the brackets are no address.
    Address(AddressError),
    /// Characters outside of ASCII, and SMTPUTF8 was not asked for.
    NeedsSmtpUtf8,
}

/// Cuts `FROM:<path> parameters` into the inside of the path and the parameters.
pub(super) fn split<'a>(argument: &'a str, keyword: &str) -> Result<(&'a str, &'a str), PathError> {
    let (found, rest) = argument.split_at_checked(keyword.len()).ok_or(PathError::Form)?;
    if !found.eq_ignore_ascii_case(keyword) {
        return Err(PathError::Form);
    }
    // RFC 5321 §3.3 has no space here; old clients do.
    let inside = rest.trim_start_matches(' ').strip_prefix('<').ok_or(PathError::Form)?;
    let end = end_of_path(inside).ok_or(PathError::Form)?;
    let (path, rest) = inside.split_at(end);
    let parameters = rest.strip_prefix('>').unwrap_or(rest);
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(PathError::Address(AddressError::NoAt));
    }
    if path.len() + "<>".len() > PATH_OCTETS_MAX {
        return Err(PathError::Address(AddressError::TooLong));
    }
    Ok((path, parameters.trim_matches(' ')))
}

/// Where the closing bracket stands; one inside of a quoted string does not count.
fn end_of_path(inside: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    inside.bytes().position(|octet| {
        let ends = octet == b'>' && !quoted;
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}

/// What a transaction's addresses may be written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Letters {
    #[default]
    Ascii,
    /// SMTPUTF8 was asked for.
    Utf8,
}

/// The address in a path, without its source route (RFC 5321 appendix C: ignored).
pub(super) fn address(path: &str, letters: Letters) -> Result<Address, PathError> {
    if letters == Letters::Ascii && !path.is_ascii() {
        return Err(PathError::NeedsSmtpUtf8);
    }
    let mailbox = match path.strip_prefix('@') {
        None => path,
        Some(_) => {
            let (route, mailbox) =
                path.split_once(':').ok_or(PathError::Address(AddressError::NoAt))?;
            for hop in route.split(',') {
                let domain = hop.strip_prefix('@').ok_or(PathError::Address(AddressError::NoAt))?;
                Domain::parse(domain).map_err(PathError::Address)?;
            }
            mailbox
        }
    };
    Address::parse(mailbox).map_err(PathError::Address)
}

/// For an address outside of ASCII without SMTPUTF8 (RFC 6531 §3.5).
pub(super) fn needs_smtputf8() -> Reply {
    Reply::new(
        553,
        EnhancedStatus::new(5, 6, 7),
        "Address has characters outside of ASCII; add SMTPUTF8 to your MAIL command",
    )
}
