//! The parameters behind the path of MAIL and RCPT.
//!
//! Standards: RFC 5321 §4.1.2 (esmtp-param), §4.1.1.11 (unknown ones: 555).
//! Not here: what each parameter means (`mail`, `rcpt`).

use envelope::EnhancedStatus;

use crate::reply::Reply;

/// Most parameters of one command: all that we know and some that we do not.
const PARAMETERS_MAX: usize = 16;

/// One `KEYWORD=value`; the keyword in upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) keyword: String,
    pub(super) value: Option<&'a str>,
}

impl Parameter<'_> {
    /// 501 for a value that this keyword may not have.
    pub(super) fn wrong_value(&self, wanted: &str) -> Reply {
        syntax(format!("{}: {wanted}", self.keyword))
    }

    /// 555 for a keyword that we do not know (RFC 5321 §4.1.1.11).
    pub(super) fn unknown(&self) -> Reply {
        let text = format!("Parameter {} is not supported here", self.keyword);
        Reply::new(555, EnhancedStatus::new(5, 5, 4), text)
    }
}

/// Cuts the text behind a path into parameters; none may stand twice.
pub(super) fn parse(text: &str) -> Result<Vec<Parameter<'_>>, Reply> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let in_keyword = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if keyword.is_empty() || keyword.starts_with('-') || !keyword.bytes().all(in_keyword) {
            return Err(syntax("Parameters are KEYWORD or KEYWORD=value".to_owned()));
        }
        let keyword = keyword.to_ascii_uppercase();
        let in_value = |character: char| character != '=' && !character.is_control();
        if value.is_some_and(|value| value.is_empty() || !value.chars().all(in_value)) {
            return Err(syntax(format!(
                "Value of {keyword} is empty or has a forbidden character"
            )));
        }
        if parameters.iter().any(|parameter| parameter.keyword == keyword) {
            return Err(syntax(format!("{keyword} stands twice")));
        }
        if parameters.len() == PARAMETERS_MAX {
            return Err(syntax("Too many parameters".to_owned()));
        }
        parameters.push(Parameter { keyword, value });
    }
    Ok(parameters)
}

fn syntax(text: String) -> Reply {
    Reply::new(501, EnhancedStatus::new(5, 5, 4), text)
}
