//! Properties that several targets assert.

use std::iter::repeat;

use recgrela::{Error, ErrorKind, Event, Filter, Scored, Session};

use crate::common::brute_force;

/// Edge cases of arithmetic and checks.
pub(crate) const NUMBERS: [f32; 19] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.000_000_1,
    127.0,
    -128.0,
    65_504.0,
    1e-30,
    -1e30,
    f32::MIN_POSITIVE,
    1e-45,
    2_147_483_648.0,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

/// The bits of a score. All NaNs are equal, because the bits of a NaN are unspecified.
pub(crate) fn bits(numbers: &[f32]) -> Vec<u32> {
    let canonical = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    numbers.iter().map(canonical).collect()
}

/// All items, including those of an overlay.
fn catalogue(session: &Session) -> Vec<u32> {
    (0..session.model().catalog().len() as u32).collect()
}

/// The events of a session's log.
pub(crate) fn logged(session: &Session) -> Vec<Event> {
    let (items, config) = (session.log(), session.model().config());
    let (kinds, times) = (session.log_kinds(), session.log_times());
    assert_eq!(kinds.len(), if config.kinds.is_empty() { 0 } else { items.len() });
    assert_eq!(times.len(), if config.gaps { items.len() } else { 0 });
    let kinds = kinds.map(Some).chain(repeat(None));
    let times = times.map(Some).chain(repeat(None));
    let event = |((item, kind), time)| (item, kind, time).into();
    items.zip(kinds).zip(times).map(event).collect()
}

/// Whether a session answers: it has events, or its model a start vector.
pub(crate) fn answers(session: &Session) -> bool {
    session.events() > 0 || session.model().config().start
}

/// The bits of all items' scores; empty before the first event, unless there is a start vector.
pub(crate) fn all_scores(session: &Session) -> Vec<u32> {
    match session.score(&catalogue(session)) {
        Ok(scores) => bits(&scores),
        Err(error) => {
            assert!(!answers(session) && error.kind() == ErrorKind::NoEvents, "{error}");
            vec![]
        }
    }
}

/// The ranking by sorting all scores, with a quota given as each item's group and a limit.
pub(crate) fn ranked(
    session: &Session,
    k: usize,
    filter: &Filter<'_>,
    quota: Option<(&[i64], usize)>,
) -> Vec<Scored> {
    let mut items = catalogue(session);
    items.retain(|&item| !session.model().catalog().is_retired(item));
    brute_force(session, &items, k, filter, quota)
}

/// Asserts that the session's ranking equals [`ranked`], bit for bit.
pub(crate) fn assert_ranked(session: &Session, k: usize, filter: &Filter<'_>) {
    let exact = |ranking: Vec<Scored>| -> Vec<_> {
        ranking.into_iter().map(|scored| (scored.item, scored.score.to_bits())).collect()
    };
    let found = session.top_k(k, filter).expect("items of the model, after an event");
    assert_eq!(exact(found), exact(ranked(session, k, filter, None)), "k {k}, {filter:?}");
}

/// The text of an error, after asserting that it is safe to log: one line, bounded length, no
/// control characters.
pub(crate) fn text(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 2000 && !text.contains(char::is_control), "{text:?}");
    text
}

/// A snapshot, if it can be restored. After an overflow of the state it cannot.
pub(crate) fn restorable(session: &Session) -> Option<Vec<u8>> {
    let blob = session.snapshot();
    Session::new(session.model().clone()).restore(&blob).ok().map(|()| blob)
}
