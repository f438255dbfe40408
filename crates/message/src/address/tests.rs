//! What address lists mean, row by row.

use super::{AddressList, Addressee};

/// One line per addressee: `name <address>`, groups as `name:member,member;`.
fn show(value: &[u8]) -> String {
    let list = AddressList::parse(value);
    let shown = list.0.iter().map(|addressee| match addressee {
        Addressee::Mailbox(mailbox) => mailbox.to_string(),
        Addressee::Group(group) => {
            let members: Vec<_> = group.mailboxes.iter().map(ToString::to_string).collect();
            format!("{}:{};", group.name, members.join(","))
        }
    });
    shown.collect::<Vec<_>>().join(" | ")
}

#[test]
fn lists_are_read_as_the_standard_means_them() {
    #[rustfmt::skip]
    let table: [(&[u8], &str, &str); 18] = [
        (b"a@b.c", "a@b.c", "bare"),
        (b"<a@b.c>", "a@b.c", "brackets only"),
        (b"Ada Lovelace <ada@example.org>", "Ada Lovelace <ada@example.org>", "atoms"),
        (b"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>", "RFC 5322 A.1.2"),
        (b"Joe Q. Public <j@b>", "Joe Q. Public <j@b>", "obsolete: dots in a phrase"),
        (b"\"Giant; \\\"Big\\\" Box\" <s@x>, <b@y>", "Giant; \"Big\" Box <s@x> | b@y", "RFC 5322 A.1.2"),
        (b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;", "RFC 5322 A.1.3"),
        (b"Undisclosed recipients:;", "Undisclosed recipients:;", "RFC 5322 A.1.3"),
        (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete <pete@silly.test>", "RFC 5322 A.5"),
        (b"Chris Jones <c@(Chris's host.)public.example>, joe@example.org, John <jdoe@one.test> (my dear friend); (the end of the group)", "Chris Jones <c@public.example> | joe@example.org | John <jdoe@one.test>", "RFC 5322 A.5"),
        (b"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "Hidden recipients:;", "RFC 5322 A.5"),
        (b"Joe <@route.test,@other.test:joe@x.test>", "Joe <joe@x.test>", "source route"),
        (b" john . doe @ example . org ", "john.doe@example.org", "white space around dots"),
        (b"a@b , , ,c@d", "a@b | c@d", "empty elements, RFC 5322 §4.4"),
        (b"ada@x (Ada L.)", "Ada L. <ada@x>", "name in a comment"),
        (b"\"ada\"@x, \"a b\"@x", "ada@x | \"a b\"@x", "quotes only where needed"),
        (b"a@[192.0.2.1], b@[IPv6:2001:db8::1]", "a@[192.0.2.1] | b@[IPv6:2001:db8::1]", "literals"),
        (b"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?_M?= <j@x>", "Jörg M <j@x>", "encoded words"),
    ];
    for (value, expected, why) in table {
        assert_eq!(show(value), expected, "{why}");
    }
}

#[test]
fn real_mail_is_read_as_it_is_meant() {
    #[rustfmt::skip]
    let table: [(&[u8], &str, &str); 22] = [
        (b"\"=?utf-8?q?J=C3=B6rg?=\" <j@x>", "Jörg <j@x>", "encoded word in quotes"),
        (b"=?utf-8?q?Doe, John (x) <y@z>?= <j@x>", "Doe, John (x) <y@z> <j@x>", "specials in an encoded word"),
        (b"a@bank <b@evil>", "a@bank <b@evil>", "a name that looks like an address"),
        (b"\"a@bank\" <b@evil>", "a@bank <b@evil>", "the same in quotes"),
        (b"=?utf-8?q?a=40bank?= <b@evil>", "a@bank <b@evil>", "the same encoded"),
        (b"=?utf-8?q?a=40bank=3E=2C?= <b@evil>", "a@bank>, <b@evil>", "decoded text is not parsed again"),
        (b"<a@bank>, <b@evil>", "a@bank | b@evil", "two"),
        (b"a@b c@d", "a@b | c@d", "lost comma"),
        (b"<a@b> <c@d>", "a@b | c@d", "lost comma"),
        (b"a@b; c@d", "a@b | c@d", "semicolons"),
        (b"a@b@c", "a@b@c", "kept as written"),
        (b"postmaster", "postmaster", "no domain"),
        (b"<postmaster>", "postmaster", "no domain"),
        (b"<>", "", "nobody"),
        (b"undisclosed recipients", "undisclosed recipients <>", "a name alone"),
        (b"A <a@b", "A <a@b>", "no bracket"),
        (b"A <a@b, c@d", "A <a@b> | c@d", "no bracket before the comma"),
        (b"\"A <a@b>, c@d", "\"A <a@b>, c@d\"", "no quote: no address comes out of it"),
        (b"a: b@c, d: e@f;", "a:b@c; | d:e@f;", "group in group"),
        (b"a:b@c", "a:b@c;", "group without an end"),
        (b"<mailto:a@b>", "a@b", "a link"),
        (b"J\xF6rg <j@x>, J\xC3\xB6rg <j@y>", "Jörg <j@x> | Jörg <j@y>", "8-bit names"),
    ];
    for (value, expected, why) in table {
        assert_eq!(show(value), expected, "{why}");
    }
}

#[test]
fn long_lists_are_cut_and_deep_comments_are_flat() {
    let many = b"a@b,".repeat(100_000);
    assert_eq!(AddressList::parse(&many).0.len(), super::ADDRESSES_MAX);
    let deep = [b"(".repeat(200_000), b")".repeat(200_000), b"a@b".to_vec()].concat();
    assert_eq!(
        show(&deep),
        "( <a@b>".replace("( ", &format!("{}{} ", "(".repeat(199_999), ")".repeat(199_999)))
    );
}

#[test]
fn faults_are_placed_where_their_mailbox_begins() {
    let (_, faults) = AddressList::parse_with_faults(b"a@b, c d@e, f");
    let places: Vec<_> = faults.iter().map(|(_, at)| *at).collect();
    assert_eq!(places, [5, 12]);
}
