//! How a reservoir is divided.

/// Divides `reservoir` among clients by their `demands`: everybody gets what it asks for as long as nobody who asks for
/// more gets less than an equal share; what nobody asked for is divided equally. The sum is the reservoir, if there is
/// any client.
///
/// What can't be divided evenly goes to the clients from number `first` on, so that in time each has its turn.
pub(crate) fn fair_shares(reservoir: u32, demands: &[u32], first: usize) -> Vec<u32> {
    let mut shares = vec![0; demands.len()];
    let mut left = reservoir;
    // Whoever asks for least is served first: what it leaves is for the others.
    let mut clients: Vec<(usize, u32)> = demands.iter().copied().enumerate().collect();
    clients.sort_by_key(|(_, demand)| *demand);
    for (served, (client, demand)) in clients.iter().enumerate() {
        let rest = clients.get(served..).unwrap_or_default();
        let waiting = u32::try_from(rest.len()).unwrap_or(u32::MAX).max(1);
        if *demand > left / waiting {
            // From here on everybody asks for more than an equal part.
            let mut rest: Vec<usize> = rest.iter().map(|(client, _)| *client).collect();
            rest.sort_unstable();
            give_evenly(&mut shares, &rest, left, first);
            return shares;
        }
        left -= demand;
        if let Some(share) = shares.get_mut(*client) {
            *share = *demand;
        }
    }
    let everybody: Vec<usize> = (0..demands.len()).collect();
    give_evenly(&mut shares, &everybody, left, first);
    shares
}

/// Gives all of `left` to `clients` in equal parts; the odd ones to those from number `first` on.
fn give_evenly(shares: &mut [u32], clients: &[usize], left: u32, first: usize) {
    let count = u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1);
    let (part, mut odd) = (left / count, left % count);
    let start = first % clients.len().max(1);
    for client in clients.iter().cycle().skip(start).take(clients.len()) {
        if let Some(share) = shares.get_mut(*client) {
            *share = share.saturating_add(part + u32::from(odd > 0));
            odd = odd.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_fair() {
        let check = |reservoir, demands: &[u32], expected: &[u32]| {
            assert_eq!(fair_shares(reservoir, demands, 0), expected, "{reservoir} {demands:?}");
        };
        check(10, &[], &[]);
        check(10, &[3], &[10]);
        check(10, &[100, 100], &[5, 5]);
        check(10, &[2, 100], &[2, 8]);
        check(10, &[1, 1], &[5, 5]);
        check(10, &[0, 100], &[0, 10]);
        check(9, &[1, 4, 100], &[1, 4, 4]);
        check(1, &[5, 5], &[1, 0]);
        check(0, &[5, 5], &[0, 0]);
        check(7, &[0, 0], &[4, 3]);
        assert_eq!(fair_shares(1, &[5, 5], 1), [0, 1]);
        assert_eq!(
            fair_shares(u32::MAX, &[u32::MAX, u32::MAX], 0).iter().map(|it| u64::from(*it)).sum::<u64>(),
            u64::from(u32::MAX)
        );
    }

    proptest! {
        #[test]
        fn a_reservoir_is_divided_whole(
            reservoir in 0..10_000_u32,
            demands in prop::collection::vec(prop_oneof![0..5_u32, 0..5_000_u32], 1..40),
            first in 0..100_usize,
        ) {
            let shares = fair_shares(reservoir, &demands, first);
            prop_assert_eq!(shares.iter().sum::<u32>(), reservoir);
            // Nobody who wants more has less than another who has what it wants, but for what can't be divided.
            for (a, wants) in shares.iter().zip(&demands) {
                for b in &shares {
                    prop_assert!(a >= wants || *b <= a + 1, "{:?} of {:?}", shares, demands);
                }
            }
        }
    }
}
