//! Every option of the programs and every key of the configuration is in docs/reference.

use crate::repository::TextFile;

/// Where options are defined, and the document that tells them.
const OPTIONS: (&[&str], &str) =
    (&["crates/posthouse/src/cli", "crates/mailbag/src/cli"], "docs/reference/cli.md");

/// Where keys are defined (in structs called `Written…`), and the document that tells them.
const KEYS: (&[&str], &str) = (&["crates/posthouse/src/config"], "docs/reference/config.md");

/// One complaint for each option and key that nobody can look up.
pub(super) fn complaints(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for ((folders, document), names, print) in
        [(OPTIONS, option_names as fn(&str) -> Vec<String>, "`--{}`"), (KEYS, key_names, "`{}`")]
    {
        let told = files.iter().find(|file| file.path == document).map_or("", |file| &file.text);
        let sources = files.iter().filter(|file| {
            file.is_rust() && folders.iter().any(|folder| file.path.starts_with(folder))
        });
        for file in sources.filter(|file| !file.path.ends_with("tests.rs")) {
            for name in names(&file.text) {
                let name = print.trim_matches('`').replace("{}", &name);
                if !tells(told, &name) {
                    complaints.push(format!("{}: `{name}` is not in {document}", file.path));
                }
            }
        }
    }
    complaints
}

/// Whether a document has the name as a word of its own in code type.
fn tells(document: &str, name: &str) -> bool {
    document.split('`').skip(1).step_by(2).any(|code| {
        code.split(|sign: char| !sign.is_alphanumeric() && sign != '-' && sign != '_')
            .any(|word| word == name)
    })
}

/// Long options: fields under `#[arg(… long …)]`, with their own name or the one given there;
/// not the hidden ones.
fn option_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut attribute = String::new();
    let mut is_open = false;
    for line in source.lines().map(str::trim) {
        is_open |= line.starts_with("#[arg(");
        if is_open {
            attribute.push_str(line);
            attribute.push(' ');
            is_open = !line.ends_with(")]");
        } else if let Some(field) = field_name(line) {
            names.extend(option_name(&attribute, field));
            attribute.clear();
        }
    }
    names
}

fn option_name(attribute: &str, field: &str) -> Option<String> {
    let mut words = attribute.split([',', '(', ')', ']']).map(str::trim);
    if words.clone().any(|word| word.starts_with("hide")) {
        return None;
    }
    let long = words.find(|word| *word == "long" || word.starts_with("long = "))?;
    Some(match long.split('"').nth(1) {
        Some(given) => given.to_owned(),
        None => field.replace('_', "-"),
    })
}

/// Keys of the configuration: fields of the structs that are read from it.
fn key_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_inside = false;
    for line in source.lines() {
        if line.contains("struct Written") {
            is_inside = true;
        } else if line.starts_with('}') {
            is_inside = false;
        } else if is_inside {
            names.extend(field_name(line.trim_start()).map(str::to_owned));
        }
    }
    names
}

/// `name` of `pub(crate) name: Type,`.
fn field_name(line: &str) -> Option<&str> {
    let (before, _) = line.split_once(": ")?;
    let name = before.rsplit(' ').next()?;
    let is_name = name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_');
    (is_name && !line.starts_with("//") && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::complaints;
    use crate::tidy::file;

    #[test]
    fn what_nobody_can_look_up_is_found() {
        let source = "    #[arg(long, value_name = \"N\")]\n    port_base: u16,\n    id: String,\n";
        let given = "    #[arg(short, long = \"for-ever\")]\n    pub(crate) always: bool,\n";
        let keys = "struct WrittenQueue {\n    /// When.\n    retry: Option<u8>,\n}\nstruct X {\n    y: u8,\n}\n";
        #[rustfmt::skip]
        let table = [
            // source, its text, document, its text, complaints, why
            ("crates/posthouse/src/cli/try.rs", source, "docs/reference/cli.md", "`try [--port-base N]`", 0, "told"),
            ("crates/posthouse/src/cli/try.rs", source, "docs/reference/cli.md", "`try [--port N]`", 1, "a part of a word"),
            ("crates/mailbag/src/cli.rs", given, "docs/reference/cli.md", "`--always`", 1, "another name"),
            ("crates/mailbag/src/cli.rs", given, "docs/reference/cli.md", "`--for-ever`", 0, "the name that is given"),
            ("crates/posthouse/src/config/queue.rs", keys, "docs/reference/config.md", "retry", 1, "not as code"),
            ("crates/posthouse/src/config/queue.rs", keys, "docs/reference/config.md", "`retry`", 0, "told"),
        ];
        for (path, text, document, told, expected, why) in table {
            let found = complaints(&[file(path, text), file(document, told)]);
            assert_eq!(found.len(), expected, "{text:?} in {told:?}: {why}: {found:?}");
        }
    }
}
