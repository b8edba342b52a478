use mantlet_types::{Code, Role, Sha256, Timestamp, entry::Token};

use super::*;
use crate::{
    directory::{Change, Grant, User},
    people::roles::{ApplyGrant, AssignRole, Assigned, Assignment},
    testing::{
        BEGIN, Kit, OPERATOR, PROJECT,
        signers::{Signer, approve, done_by},
        user,
    },
};

/// A home with an operator who may give every role, two security people, and two people without a role.
fn home(single_person: bool) -> Kit {
    Kit::with(|snapshot| {
        std::sync::Arc::make_mut(&mut snapshot.settings).single_person = single_person;
        let users = &mut snapshot.directory.users;
        let operator = users.get_mut(OPERATOR).unwrap();
        operator.ceiling.as_mut().unwrap().roles = Role::ALL.into_iter().collect();
        if single_person {
            operator.bindings.insert(Role::Security, [PROJECT.parse().unwrap()].into());
        }
        for (name, roles) in
            [("sam", &[Role::Security][..]), ("sue", &[Role::Security]), ("ann", &[]), ("ben", &[])]
        {
            users.insert(name.parse().unwrap(), user(roles));
        }
    })
}

async fn proposed(kit: &Kit, user: &str) -> Item {
    let role =
        Assignment { user: user.parse().unwrap(), role: "admin".into(), project: PROJECT.parse().unwrap() };
    let reply = done_by(kit, kit.operator(), AssignRole(role)).await.unwrap();
    let Assigned::Pending { grant, .. } = reply else { panic!("{reply:?}") };
    Item::Grant(grant)
}

async fn applied(kit: &Kit, item: &Item) -> Result<Assigned, (Code, String)> {
    let Item::Grant(number) = *item else { panic!("{item}") };
    done_by(kit, kit.operator(), ApplyGrant { number }).await
}

fn not_approved() -> (Code, String) {
    (Code::Forbidden, "`grant` is forbidden by `F24_approved`".to_owned())
}

fn grant(kit: &Kit, item: &Item) -> Grant {
    let Item::Grant(number) = item else { panic!("{item}") };
    kit.gate.snapshot().directory.grants[number].clone()
}

#[test]
fn what_is_signed_is_written_in_one_way() {
    // By hand from the DSSE specification and the documented members: a change of either is another format.
    let statement = Statement {
        approver: "bob".parse().unwrap(),
        digest: Sha256([0xAB; 32]),
        expires: BEGIN,
        format: FORMAT.into(),
        kind: "grant".into(),
        project: "home".parse().unwrap(),
        target: "7".into(),
    };
    let text = format!(
        r#"{{"approver":"bob","digest":"{}","expires":"2026-01-01T00:00:00.000000Z","format":"mantlet.approval/1","kind":"grant","project":"home","target":"7"}}"#,
        "ab".repeat(32)
    );
    assert_eq!(statement.text().unwrap(), text);
    assert_eq!(Statement::parse(&text), Some(statement));
    let signed = String::from_utf8(signed_bytes(&text)).unwrap();
    assert_eq!(signed, format!("DSSEv1 37 application/vnd.mantlet.approval+json {} {text}", text.len()));
    for other in [
        text.replace(",\"kind\"", ", \"kind\""),
        text.replace("approval/1", "approval/2"),
        text.replace("\"target\":\"7\"", "\"target\":\"7\",\"x\":\"y\""),
        text.replace("00.000000Z", "00Z"),
        text.replace("{\"approver\":\"bob\",", "{"),
        format!("{text} "),
        format!("{text}{text}"),
        " ".repeat(5_000),
        String::new(),
    ] {
        assert_eq!(Statement::parse(&other), None, "{other}");
    }
}

#[test]
fn an_item_has_one_name() {
    for (kind, target) in [(Kind::Grant, "7"), (Kind::Deployment, "fraud@1"), (Kind::BreakGlass, "9")] {
        let item = Item::parse(kind, target).unwrap();
        assert_eq!((item.kind(), item.target().as_str()), (kind, target));
    }
    for (kind, target) in [
        (Kind::Grant, "+7"),
        (Kind::Grant, "007"),
        (Kind::Grant, "-1"),
        (Kind::Grant, "99999999999999999999999"),
        (Kind::Deployment, "fraud"),
        (Kind::Deployment, "fraud@0"),
        (Kind::Deployment, "fraud@01"),
        (Kind::Deployment, "Fraud@1"),
        (Kind::Policy, ""),
    ] {
        assert_eq!(Item::parse(kind, target), Err(ItemError), "{kind} {target}");
    }
}

#[tokio::test]
async fn a_signed_approval_is_kept_and_counts() {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let sam = Signer::new(&kit, "sam");
    // The door says what there is to sign, and takes it signed.
    let shown = done_by(&kit, sam.arrival(&kit), ShowApproval { item: item.clone() }).await.unwrap();
    let text = shown.statement.unwrap();
    let statement = Statement::parse(&text).unwrap();
    assert_eq!(statement.expires, grant(&kit, &item).expires);
    assert_eq!(shown.waits.you, Part::MayApprove);
    kit.ledger.take();
    sam.send(&kit, &item, Some(sam.sign(&text))).await.unwrap();
    // The log names the statement.
    let digest = kit.gate.snapshot().directory.approvals.keys().next().copied().unwrap();
    let short: String = digest.to_string().chars().take(32).collect();
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!(entry.subject, Some(Token::of(&format!("grant/{}/{short}", item.target()))));
    // It is used, and kept all the same.
    applied(&kit, &item).await.unwrap();
    let snapshot = kit.gate.snapshot();
    let kept = &snapshot.directory.approvals[&digest];
    let (read, _) = kept.verify().unwrap();
    assert_eq!((read, kept.given), (statement, BEGIN));
    assert!(kept.subject.contains(r#""beneficiary":"ann""#) && kept.subject.contains(r#""role":"admin""#));
}

#[tokio::test]
async fn an_approval_without_a_signature_counts_for_one_person_alone() {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let sam = Signer::new(&kit, "sam");
    let (code, detail) = sam.send(&kit, &item, None).await.unwrap_err();
    assert!(code == Code::Forbidden && detail.contains("not signed"), "{detail}");
    // Nor does one that got into the records in another way.
    let mut record = grant(&kit, &item);
    record.approved_by.insert("sam".parse().unwrap(), None);
    let Item::Grant(number) = item else { unreachable!() };
    kit.change(&[Change::PutGrant(number, record)]);
    assert_eq!(applied(&kit, &item).await.unwrap_err(), not_approved());

    let kit = home(true);
    kit.change(&[Change::PutGrant(
        7,
        Grant {
            project: PROJECT.parse().unwrap(),
            role: Role::Admin,
            beneficiary: "ann".parse().unwrap(),
            proposed_by: OPERATOR.parse().unwrap(),
            approved_by: Approvers::new(),
            expires: BEGIN.plus_seconds(60),
        },
    )]);
    let item = Item::Grant(7);
    done_by(&kit, kit.local_owner(), Approve { item: item.clone(), signed: None }).await.unwrap();
    applied(&kit, &item).await.unwrap();
}

/// Sends what `forge` makes of a good statement; it must be refused, for this reason, and nothing be approved by it.
async fn refused(why: &str, forge: impl FnOnce(&Kit, &Signer, Statement) -> SignedApproval) {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let sam = Signer::new(&kit, "sam");
    let good = sam.statement(&kit, &item, grant(&kit, &item).expires).unwrap();
    let signed = forge(&kit, &sam, good);
    let (code, detail) = sam.send(&kit, &item, Some(signed)).await.unwrap_err();
    assert!(code == Code::Forbidden && detail.contains(why), "{why}: {code} {detail}");
    assert!(grant(&kit, &item).approved_by.is_empty());
    assert!(kit.gate.snapshot().directory.approvals.is_empty());
    assert_eq!(applied(&kit, &item).await.unwrap_err(), not_approved());
}

fn signed(signer: &Signer, statement: &Statement) -> SignedApproval {
    signer.sign(&statement.text().unwrap())
}

#[tokio::test]
async fn whatever_is_not_the_approver_s_signature_over_this_is_refused() {
    refused("does not verify", |_, sam, good| {
        let other = Statement { target: "8".into(), ..good.clone() };
        SignedApproval { signature: signed(sam, &other).signature, ..signed(sam, &good) }
    })
    .await;
    // Over the bare statement: what is signed says what it is.
    refused("does not verify", |_, sam, good| {
        let text = good.text().unwrap();
        sam.sign_bytes(&text, text.as_bytes())
    })
    .await;
    // By somebody else's key, under the approver's certificate.
    refused("does not verify", |kit, sam, good| {
        let sue = signed(&Signer::new(kit, "sue"), &good);
        SignedApproval { signature: sue.signature, ..signed(sam, &good) }
    })
    .await;
    refused("does not verify", |_, sam, good| SignedApproval {
        signature: "????".into(),
        ..signed(sam, &good)
    })
    .await;
    // By somebody else, certificate and all.
    refused("certificate", |kit, _, good| signed(&Signer::new(kit, "sue"), &good)).await;
    // By a certificate that names the approver and is not listed as theirs.
    refused("certificate", |_, _, good| signed(&Signer::until("sam", (4, 1)), &good)).await;
    refused("certificate", |_, sam, good| SignedApproval {
        certificate: "AAAA".into(),
        ..signed(sam, &good)
    })
    .await;
    // By another certificate of theirs than the one that was shown.
    refused("second factor", |kit, _, good| signed(&Signer::new(kit, "sam"), &good)).await;
}

#[tokio::test]
async fn a_statement_about_something_else_is_refused() {
    refused("not about this", |_, sam, good| signed(sam, &Statement { target: "8".into(), ..good })).await;
    refused("not about this", |_, sam, good| signed(sam, &Statement { digest: Sha256([7; 32]), ..good }))
        .await;
    refused("not about this", |_, sam, good| signed(sam, &Statement { kind: "policy".into(), ..good })).await;
    refused("not about this", |_, sam, good| {
        signed(sam, &Statement { project: "red".parse().unwrap(), ..good })
    })
    .await;
    refused("mantlet.approval/1", |_, sam, good| {
        signed(sam, &Statement { format: "mantlet.approval/2".into(), ..good })
    })
    .await;
    let approver =
        |_: &Kit, sam: &Signer, good| signed(sam, &Statement { approver: "sue".parse().unwrap(), ..good });
    refused("certificate", approver).await;
    refused("end", |_, sam, good| signed(sam, &Statement { expires: BEGIN, ..good })).await;
    refused("end", |_, sam, good| {
        let expires = good.expires.plus_seconds(1);
        signed(sam, &Statement { expires, ..good })
    })
    .await;
}

#[tokio::test]
async fn a_statement_is_of_one_grant() {
    let kit = home(false);
    let (first, second) = (proposed(&kit, "ann").await, proposed(&kit, "ben").await);
    let sam = Signer::new(&kit, "sam");
    let statement = sam.statement(&kit, &first, grant(&kit, &first).expires).unwrap();
    let signed = sam.sign(&statement.text().unwrap());
    sam.send(&kit, &first, Some(signed.clone())).await.unwrap();
    let (code, detail) = sam.send(&kit, &second, Some(signed.clone())).await.unwrap_err();
    assert!(code == Code::Forbidden && detail.contains("not about this"), "{detail}");
    // Nor of one that got its number, with other contents.
    let Item::Grant(number) = first else { unreachable!() };
    let other = Grant { role: Role::Operator, ..grant(&kit, &first) };
    kit.change(&[Change::PutGrant(number, other)]);
    assert_eq!(applied(&kit, &first).await.unwrap_err(), not_approved());
    // Nor twice of the same.
    let (code, _) = sam.send(&kit, &first, Some(signed)).await.unwrap_err();
    assert_eq!(code, Code::Forbidden);
}

#[tokio::test]
async fn an_approval_falls_with_what_it_rests_on() {
    type Ending = fn(&mut User, Sha256);
    let endings: [(&str, Ending); 3] = [
        ("certificate", |sam, digest| assert!(sam.certificates.remove(&digest))),
        ("person", |sam, _| sam.disabled = true),
        ("right", |sam, _| sam.bindings.clear()),
    ];
    for (what, end) in endings {
        let kit = home(false);
        let item = proposed(&kit, "ann").await;
        let sam = Signer::new(&kit, "sam");
        let statement = sam.statement(&kit, &item, grant(&kit, &item).expires).unwrap();
        sam.send(&kit, &item, Some(signed(&sam, &statement))).await.unwrap();
        let before = kit.gate.snapshot().directory.users["sam"].clone();
        let mut after = before.clone();
        end(&mut after, sam.digest());
        kit.change(&[Change::PutUser("sam".parse().unwrap(), after)]);
        assert_eq!(applied(&kit, &item).await.unwrap_err(), not_approved(), "{what}");
        // It was this and nothing else.
        kit.change(&[Change::PutUser("sam".parse().unwrap(), before)]);
        applied(&kit, &item).await.unwrap();
    }
}

#[tokio::test]
async fn an_approval_that_counts_no_more_is_given_again() {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    approve(&kit, "sam", &item).await.unwrap();
    assert_eq!(approve(&kit, "sam", &item).await.unwrap_err().0, Code::Conflict);
    let mut sam = kit.gate.snapshot().directory.users["sam"].clone();
    sam.certificates.clear();
    kit.change(&[Change::PutUser("sam".parse().unwrap(), sam)]);
    approve(&kit, "sam", &item).await.unwrap();
    applied(&kit, &item).await.unwrap();
}

#[tokio::test]
async fn an_approval_ends_with_its_statement_and_with_its_certificate() {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let sam = Signer::new(&kit, "sam");
    let soon = BEGIN.plus_seconds(60);
    let statement = sam.statement(&kit, &item, soon).unwrap();
    sam.send(&kit, &item, Some(signed(&sam, &statement))).await.unwrap();
    assert_eq!(grant(&kit, &item).expires, soon);
    kit.clock.advance(60);
    let (code, detail) = applied(&kit, &item).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::Forbidden, "`grant` is forbidden by `F23_ended`"));

    // The certificate ends after two days; a statement of three is not signed by it, one of two is.
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let sam = Signer::until("sam", (1, 3));
    let mut record = kit.gate.snapshot().directory.users["sam"].clone();
    record.certificates.insert(sam.digest());
    kit.change(&[Change::PutUser("sam".parse().unwrap(), record)]);
    let shown = done_by(&kit, sam.arrival(&kit), ShowApproval { item: item.clone() }).await.unwrap();
    let statement = Statement::parse(&shown.statement.unwrap()).unwrap();
    assert_eq!(statement.expires, BEGIN.plus_seconds(2 * 86_400));
    let long = Statement { expires: grant(&kit, &item).expires, ..statement.clone() };
    assert!(sam.send(&kit, &item, Some(signed(&sam, &long))).await.is_err());
    sam.send(&kit, &item, Some(signed(&sam, &statement))).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_shown_to_those_who_have_a_part_in_it() {
    let kit = home(false);
    let item = proposed(&kit, "ann").await;
    let part = async |who: &str| {
        let arrival = Signer::new(&kit, who).arrival(&kit);
        let listed = done_by(&kit, arrival, ListApprovals).await.unwrap();
        listed.waiting.first().map(|waits| waits.you)
    };
    assert_eq!(part("sam").await, Some(Part::MayApprove));
    assert_eq!(part(OPERATOR).await, Some(Part::TakesPart));
    assert_eq!(part("ann").await, Some(Part::TakesPart));
    assert_eq!(part("ben").await, None);
    let show = async |who: &str, item: Item| {
        let arrival = Signer::new(&kit, who).arrival(&kit);
        done_by(&kit, arrival, ShowApproval { item }).await
    };
    // Whoever has no part in it learns the same as of what is not there.
    assert_eq!(show("ben", item.clone()).await.err(), show("ben", Item::Grant(1)).await.err());
    // Those who do not approve have nothing to sign.
    assert_eq!(show("ann", item.clone()).await.unwrap().statement, None);
    approve(&kit, "sam", &item).await.unwrap();
    let shown = show("sue", item.clone()).await.unwrap();
    assert!(shown.approvals[0].counts && shown.approvals[0].signed.is_some());
    assert_eq!(part("sam").await, Some(Part::Approved));
    // What is over is gone.
    kit.clock.advance(APPROVAL_SECONDS);
    assert_eq!(part("sam").await, None);
}

#[tokio::test]
async fn no_more_approvals_are_kept_than_there_is_room_for() {
    let kit = home(false);
    let old = |number: usize| {
        let approval = Approval {
            statement: number.to_string().into(),
            subject: "".into(),
            signature: "".into(),
            certificate: "".into(),
            given: Timestamp::from_micros(i64::try_from(number).unwrap()),
        };
        Change::PutApproval(approval.digest(), approval.into())
    };
    let many: Vec<Change> = (0..keep::APPROVALS_MAX).map(old).collect();
    kit.change(&many);
    let item = proposed(&kit, "ann").await;
    approve(&kit, "sam", &item).await.unwrap();
    let snapshot = kit.gate.snapshot();
    assert_eq!(snapshot.directory.approvals.len(), keep::APPROVALS_MAX);
    assert!(snapshot.directory.approvals.values().all(|kept| kept.given.micros() != 0), "the oldest is gone");
    applied(&kit, &item).await.unwrap();
}
