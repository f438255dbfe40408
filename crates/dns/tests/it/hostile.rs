//! Servers that lie, guess or are old, by hand-made packets.

use std::net::SocketAddr;
use std::time::Duration;

use dns::{DnsError, Kind, Record, Resolver};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, NS};
use hickory_proto::rr::{Name, RData, Record as WireRecord, RecordType};
use platform::{Net, Task, TokioNet};

use crate::support::{LOOPBACK, asking, domain};

const NAME: &str = "a-rather-long-name-with-many-letters.example.org";

/// Answers each datagram with those that `answers` makes; the second of a pair says whether it
/// comes from the true address.
async fn server(
    answers: impl Fn(&Message) -> Vec<(Message, bool)> + Send + Sync + 'static,
) -> (SocketAddr, Task) {
    let socket = TokioNet.datagram(LOOPBACK).await.unwrap();
    let other = TokioNet.datagram(LOOPBACK).await.unwrap();
    let address = socket.local();
    let task = Task::start(async move {
        let mut buffer = [0; 4096];
        while let Ok((octets, from)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..octets]).unwrap();
            for (answer, truly) in answers(&question) {
                let octets = answer.to_vec().unwrap();
                let socket = if truly { &socket } else { &other };
                socket.send_to(&octets, from).await.unwrap();
            }
        }
    });
    (address, task)
}

/// An answer with one address.
fn answer(question: &Message, last: u8) -> Message {
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_available = true;
    answer.add_queries(question.queries.iter().cloned());
    let name = question.queries[0].name().clone();
    answer.add_answer(WireRecord::from_rdata(name, 60, address(last)));
    answer
}

fn address(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

async fn ask(server: SocketAddr, patience: Duration) -> Result<Vec<Record>, DnsError> {
    let resolver = asking(&[server], patience);
    resolver.lookup(&domain(NAME), Kind::A).await.map(|answer| answer.records)
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let (server, _task) = server(|question| {
        let mut other_id = answer(question, 66);
        other_id.metadata.id = question.metadata.id.wrapping_add(1);
        let mut other_name = answer(question, 66);
        other_name.queries[0].set_name(Name::from_ascii("other.example.org.").unwrap());
        let mut no_answer = answer(question, 66);
        no_answer.metadata.message_type = MessageType::Query;
        let mut two_questions = answer(question, 66);
        two_questions.add_query(question.queries[0].clone());
        vec![
            (answer(question, 66), false),
            (other_id, true),
            (other_name, true),
            (no_answer, true),
            (two_questions, true),
            (answer(question, 1), true),
        ]
    })
    .await;
    let records = ask(server, Duration::from_secs(20)).await.unwrap();
    assert_eq!(records, [Record::A([192, 0, 2, 1].into())]);
}

#[tokio::test]
async fn another_spelling_is_not_believed_without_tcp() {
    let (server, _task) = server(|question| {
        let mut respelled = answer(question, 66);
        let lower = question.queries[0].name().to_lowercase();
        respelled.queries[0].set_name(lower);
        vec![(respelled, true)]
    })
    .await;
    let error = ask(server, Duration::from_secs(20)).await.unwrap_err();
    assert!(error.is_temporary());
    assert!(error.to_string().contains("refused"), "there was nobody to ask over TCP: {error}");
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_taken() {
    let (server, _task) = server(|question| {
        let mut poisoned = answer(question, 1);
        let other = Name::from_ascii("bank.example.com.").unwrap();
        poisoned.add_answer(WireRecord::from_rdata(other.clone(), 60, address(66)));
        poisoned.add_additional(WireRecord::from_rdata(other, 60, address(66)));
        if question.queries[0].name().to_ascii().to_lowercase().contains("bank") {
            poisoned.answers.clear();
            poisoned.metadata.response_code = ResponseCode::NXDomain;
        }
        vec![(poisoned, true)]
    })
    .await;
    let resolver = asking(&[server], Duration::from_secs(20));
    let answer = resolver.lookup(&domain(NAME), Kind::A).await.unwrap();
    assert_eq!(answer.records, [Record::A([192, 0, 2, 1].into())]);
    let error = resolver.lookup(&domain("bank.example.com"), Kind::A).await.unwrap_err();
    assert!(matches!(error, DnsError::NoSuchDomain { .. }), "it was asked for anew: {error}");
}

#[tokio::test]
async fn old_and_lame_servers() {
    let (old, _task) = server(|question| {
        let mut told = answer(question, 1);
        if question.edns.is_some() {
            told.answers.clear();
            told.metadata.response_code = ResponseCode::FormErr;
        }
        vec![(told, true)]
    })
    .await;
    assert!(ask(old, Duration::from_secs(20)).await.is_ok(), "RFC 6891 §7: without EDNS");

    let (lame, _task) = server(|question| {
        let mut referral = answer(question, 1);
        referral.answers.clear();
        referral.metadata.recursion_available = false;
        let there = RData::NS(NS(Name::from_ascii("ns.example.net.").unwrap()));
        referral.add_authority(WireRecord::from_rdata(Name::root(), 60, there));
        vec![(referral, true)]
    })
    .await;
    let error = ask(lame, Duration::from_secs(20)).await.unwrap_err();
    assert!(error.is_temporary(), "sent elsewhere is not a no: {error}");
}

/// What is not known of one kind makes the whole unknown, unless the other is there.
#[tokio::test]
async fn half_an_answer() {
    for (failing, other) in [
        (RecordType::A, Half::None),
        (RecordType::AAAA, Half::None),
        (RecordType::AAAA, Half::Address),
    ] {
        let (server, _task) = server(move |question| {
            let mut told = answer(question, 1);
            if question.queries[0].query_type() == failing {
                told.metadata.response_code = ResponseCode::ServFail;
            }
            if other == Half::None {
                told.answers.clear();
            }
            vec![(told, true)]
        })
        .await;
        let resolver = asking(&[server], Duration::from_secs(20));
        match (resolver.addresses(&domain(NAME)).await, other) {
            (Ok(answer), Half::Address) => assert_eq!(answer.records.len(), 1),
            (Err(error), Half::None) => assert!(error.is_temporary(), "{failing}: {error}"),
            (outcome, _) => panic!("{failing}: {outcome:?}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    None,
    Address,
}

#[tokio::test]
async fn a_no_without_its_time_is_not_kept() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let (server, _task) = server(move |question| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut no = answer(question, 1);
        no.answers.clear();
        no.metadata.response_code = ResponseCode::NXDomain;
        vec![(no, true)]
    })
    .await;
    let resolver = asking(&[server], Duration::from_secs(20));
    for expected in 1..3 {
        let error = resolver.lookup(&domain(NAME), Kind::A).await.unwrap_err();
        assert!(matches!(error, DnsError::NoSuchDomain { .. }));
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), expected, "RFC 2308 §5");
    }
}
