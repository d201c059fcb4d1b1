use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, ThreadId};

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(20);

enum Word {
    Number {
        from: usize,
        number: usize,
    },
    /// From now on it wants a turn so soon.
    Wake(Duration),
    /// It holds its turn until this is dropped at the other end.
    Busy(mpsc::Receiver<()>),
    Panic,
    Stop,
}

/// The numbers that it was given, each with who said it, and where it took its turn.
type Turn = (Vec<(usize, usize)>, ThreadId);

/// Tells of every turn.
struct Listener {
    wake: Duration,
    last: Instant,
    tell: Sender<Turn>,
}

impl Listener {
    fn new() -> (Self, mpsc::Receiver<Turn>) {
        let (tell, told) = mpsc::channel();
        (Self { wake: HOUR, last: Instant::now(), tell }, told)
    }
}

impl Actor for Listener {
    type Input = Word;

    fn turn(&mut self, inputs: VecDeque<Word>) -> ControlFlow<()> {
        self.last = Instant::now();
        let mut numbers = Vec::new();
        for word in inputs {
            match word {
                Word::Number { from, number } => numbers.push((from, number)),
                Word::Wake(wake) => self.wake = wake,
                Word::Busy(until) => drop(until.recv()),
                Word::Panic => panic!("asked to"),
                Word::Stop => return ControlFlow::Break(()),
            }
        }
        let _ = self.tell.send((numbers, thread::current().id()));
        ControlFlow::Continue(())
    }

    fn next_wake(&self) -> Instant {
        self.last + self.wake
    }
}

fn number(number: usize) -> Word {
    Word::Number { from: 0, number }
}

/// Once the actor's thread sleeps, so that what follows is handed to an idle actor.
fn until_asleep(inbox: &Inbox<Listener>) {
    let start = Instant::now();
    while inbox.state().sleeps_until.is_none() {
        assert!(start.elapsed() < PATIENCE, "it never sleeps");
        thread::yield_now();
    }
}

#[test]
fn an_idle_actor_takes_its_turn_where_the_input_is_handed_over_and_a_queued_one_on_its_own_thread()
{
    let inbox = Inbox::new();
    let (actor, told) = Listener::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        until_asleep(&inbox);
        assert!(inbox.hand(number(1)));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (vec![(0, 1)], thread::current().id()));
        assert!(inbox.send(number(2)));
        let (numbers, place) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((numbers, place), (vec![(0, 2)], running.thread().id()));
        assert!(inbox.send(Word::Stop));
        assert_eq!(running.join().unwrap(), End::Done);
    });
    assert!(!inbox.send(number(3)) && !inbox.hand(number(3)), "nobody is there any more");
}

#[test]
fn what_comes_while_the_actor_is_busy_waits_its_turn_in_order() {
    let inbox = Inbox::new();
    let (actor, told) = Listener::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        until_asleep(&inbox);
        let (busy, until) = mpsc::channel();
        assert!(inbox.send(Word::Busy(until)));
        while !inbox.state().waiting.is_empty() {
            thread::yield_now();
        }
        for at in 0..3 {
            assert!(inbox.hand(number(at)));
        }
        drop(busy);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, []);
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, [(0, 0), (0, 1), (0, 2)]);
        // False if it took its last turn here, true if it takes it on its own thread.
        let _ = inbox.hand(Word::Stop);
        assert_eq!(running.join().unwrap(), End::Done);
    });
}

#[test]
fn of_many_who_send_and_hand_over_at_once_every_word_arrives_once_and_in_its_order() {
    const EACH: usize = 5_000;
    const SENDERS: usize = 4;
    let inbox = Inbox::new();
    let (actor, told) = Listener::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        for from in 0..SENDERS {
            let inbox = inbox.clone();
            scope.spawn(move || {
                for number in 0..EACH {
                    let word = Word::Number { from, number };
                    let taken = if from % 2 == 0 { inbox.hand(word) } else { inbox.send(word) };
                    assert!(taken);
                }
            });
        }
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        let mut count = 0;
        while count < EACH * SENDERS {
            for (from, number) in told.recv_timeout(PATIENCE).unwrap().0 {
                let expected = next.entry(from).or_default();
                assert_eq!(number, *expected, "of {from}");
                *expected += 1;
                count += 1;
            }
        }
        assert!(inbox.send(Word::Stop));
        assert_eq!(running.join().unwrap(), End::Done);
    });
}

#[test]
fn a_turn_elsewhere_after_which_the_actor_wants_to_wake_sooner_is_known_to_its_thread() {
    let inbox = Inbox::new();
    let (actor, told) = Listener::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        until_asleep(&inbox);
        assert!(inbox.hand(Word::Wake(Duration::from_millis(5))));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().1, thread::current().id());
        let (numbers, place) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((numbers, place), (vec![], running.thread().id()));
        assert!(inbox.send(Word::Stop));
        assert_eq!(running.join().unwrap(), End::Done);
    });
}

#[test]
fn a_panic_ends_the_loop_on_whichever_thread_it_was() {
    let inbox = Inbox::new();
    let (actor, _told) = Listener::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        until_asleep(&inbox);
        let hand = || inbox.hand(Word::Panic);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(hand)).unwrap_err();
        assert_eq!(running.join().unwrap(), End::Panicked);
    });
    assert!(!inbox.hand(number(1)) && !inbox.send(number(1)));
}

#[test]
fn an_actor_is_busy_while_it_has_its_turn_or_something_waits_and_at_no_other_time() {
    let inbox = Inbox::new();
    let (actor, told) = Listener::new();
    assert!(!inbox.is_busy());
    thread::scope(|scope| {
        let running = scope.spawn(|| inbox.run(actor));
        until_asleep(&inbox);
        let (hold, until) = mpsc::channel();
        assert!(inbox.send(Word::Busy(until)));
        assert!(inbox.is_busy(), "its word waits");
        while !inbox.state().waiting.is_empty() {
            thread::yield_now();
        }
        assert!(inbox.is_busy(), "it has its turn, or is about to");
        drop(hold);
        told.recv_timeout(PATIENCE).unwrap();
        until_asleep(&inbox);
        assert!(!inbox.is_busy());
        assert!(inbox.send(Word::Stop));
        assert_eq!(running.join().unwrap(), End::Done);
    });
}
