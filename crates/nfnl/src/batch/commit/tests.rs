//! What the kernel's answers mean, for kernels that ack the end of a batch and for those that do not.

use super::Answers;
use crate::{
    Batch, BatchError, Denied, ElementRef, Family, SetId, Table, socket::EndAck, wire::Ack,
};

/// Two messages between begin (0) and end (3).
fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.add(&Table::new(Family::Inet, "t")).unwrap();
    let set = SetId::new(Family::Inet, "t", "s");
    batch.add_elements(&set, [ElementRef::new(&[1; 4]), ElementRef::new(&[2; 4])]).unwrap();
    batch
}

const BEGIN: u32 = 0;
const FIRST: u32 = 1;
const LAST: u32 = 2;
const END: u32 = 3;

fn answers(list: &[(u32, i32)]) -> Answers {
    let batch = batch();
    let mut answers = Answers::default();
    for (index, errno) in list {
        answers.take(&batch, *index, 4, &Ack { errno: *errno, offset: None, text: "" });
    }
    answers
}

#[test]
fn an_acked_end_is_success_on_any_kernel() {
    for end_ack in [EndAck::Unknown, EndAck::Yes, EndAck::No] {
        assert!(answers(&[(LAST, 0), (END, 0)]).verdict(end_ack).is_ok());
        assert!(answers(&[(END, 0)]).verdict(end_ack).is_ok());
    }
}

#[test]
fn an_acked_last_message_is_success_only_where_the_end_is_not_acked() {
    assert!(answers(&[(LAST, 0)]).verdict(EndAck::No).is_ok());
    assert!(answers(&[(LAST, 0)]).verdict(EndAck::Unknown).is_ok());
    let end_is_missing = answers(&[(LAST, 0)]).verdict(EndAck::Yes);
    assert!(matches!(end_is_missing, Err(BatchError::UnknownOutcome)));
}

#[test]
fn an_acked_last_message_does_not_hide_an_error_before_it() {
    let error = answers(&[(FIRST, libc::EEXIST), (LAST, 0)]).verdict(EndAck::No).unwrap_err();
    assert_eq!(error.rejections()[0].change, 0);
    // a commit that fails as a whole answers with the first header
    let whole = answers(&[(BEGIN, libc::ENOMEM), (LAST, 0)]).verdict(EndAck::No);
    assert!(matches!(whole, Err(BatchError::Refused { .. })));
}

#[test]
fn lost_answers_are_never_success() {
    for list in [&[][..], &[(LAST, 0)]] {
        let mut lost = answers(list);
        lost.lost = true;
        assert!(matches!(lost.verdict(EndAck::No), Err(BatchError::UnknownOutcome)));
    }
    assert!(matches!(answers(&[]).verdict(EndAck::Unknown), Err(BatchError::UnknownOutcome)));
    let mut partly = answers(&[(FIRST, libc::ENOENT)]);
    partly.lost = true;
    assert!(matches!(partly.verdict(EndAck::Yes), Err(BatchError::Rejected(_))));
}

#[test]
fn permission_is_told_apart_from_ownership() {
    let capability = answers(&[(BEGIN, libc::EPERM)]).verdict(EndAck::Yes);
    assert!(matches!(capability, Err(BatchError::Denied(Denied::Capability))));
    let owned = answers(&[(LAST, libc::EPERM)]).verdict(EndAck::Yes);
    assert!(matches!(owned, Err(BatchError::Denied(Denied::OwnedTable(r))) if r.change == 1));
    let stale = answers(&[(BEGIN, libc::ERESTART)]).verdict(EndAck::Yes);
    assert!(matches!(stale, Err(BatchError::Stale)));
}

#[test]
fn a_change_that_is_too_long_is_taken_out_of_the_batch_again() {
    let mut batch = batch();
    let (len, bytes) = (batch.len(), batch.bytes());
    let mut table = Table::new(Family::Inet, "t");
    table.userdata = vec![0; 70_000];
    assert!(batch.add(&table).is_err());
    assert_eq!((batch.len(), batch.bytes()), (len, bytes));
    assert_eq!(batch.add(&Table::new(Family::Inet, "u")).unwrap(), 2);
}
