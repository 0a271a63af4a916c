//! Answers a query by scoring all items, filtering, sorting and walking.

use std::collections::HashMap;

use recgrela::{Filter, Scored, Session};

/// The top k of some items, with a quota given as each item's group and a limit.
pub fn brute_force(
    session: &Session,
    items: &[u32],
    k: usize,
    filter: &Filter<'_>,
    quota: Option<(&[i64], usize)>,
) -> Vec<Scored> {
    let allowed = |item: &u32| {
        filter.allow.is_none_or(|allow| allow.contains(item))
            && !filter.deny.contains(item)
            && !(filter.exclude_seen && session.seen().contains(item))
    };
    let scores = session.score(items).unwrap();
    let all = items.iter().zip(scores).map(|(&item, score)| Scored { item, score });
    let mut kept: Vec<_> = all.filter(|s| allowed(&s.item) && !s.score.is_nan()).collect();
    kept.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.item.cmp(&b.item)));
    if let Some((groups, limit)) = quota {
        let mut taken = HashMap::new();
        kept.retain(|scored| {
            let group = groups.get(scored.item as usize); // none: of added items, one group
            let taken = taken.entry(group).or_insert(0);
            *taken += 1;
            *taken <= limit
        });
    }
    kept.truncate(k);
    kept
}
