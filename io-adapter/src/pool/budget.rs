//! How many requests may be sent again: a share of those that are made, and a few beside.

use std::time::Duration;

use tokio::time::Instant;

/// What one resend costs: a request earns a part of that, in percent.
const RESEND_COST: u64 = 100;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How many of the requests to one origin are sent again, beside [`PoolConfig::resends_max`](super::PoolConfig) for each of
/// them. A server that refuses what it has no room for would otherwise be asked three times as much just then, and a slow
/// one becomes a dead one.
///
/// Every number may be nothing; with all three at nothing, no request that was sent is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendBudget {
    /// What a request earns for its origin, in hundredths of a resend. 20: a server that refuses everything is asked a fifth
    /// more often than without resends, for ever.
    pub percent_of_requests: u32,
    /// Resends earned by each second, whatever is asked. 10: who asks little has earned nothing by that, and harms nobody
    /// by trying again.
    pub per_second: u32,
    /// Resends that are saved up, and that a new origin has. 100: as many requests as leave before a peer's SETTINGS say how
    /// few it takes.
    pub saved_max: u32,
}

impl Default for ResendBudget {
    fn default() -> Self {
        Self {
            percent_of_requests: 20,
            per_second: 10,
            saved_max: 100,
        }
    }
}

/// What is left of an origin's budget. A new one is full.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// In hundredths of a resend.
    spent: u64,
    /// Until when time was paid for; of no meaning while nothing is spent.
    at: Option<Instant>,
}

impl Spent {
    /// Takes account of a request that is made for the first time.
    pub(super) fn earn(&mut self, budget: &ResendBudget) {
        let earned = u64::from(budget.percent_of_requests);
        self.spent = self.spent.saturating_sub(earned);
    }

    /// Takes one resend. Answers whether there was one.
    pub(super) fn spend(&mut self, budget: &ResendBudget) -> bool {
        self.pass(budget, Instant::now());
        let full = u64::from(budget.saved_max) * RESEND_COST;
        if self.spent + RESEND_COST > full {
            return false;
        }
        self.spent += RESEND_COST;
        true
    }

    /// Earns what the time has brought.
    fn pass(&mut self, budget: &ResendBudget, now: Instant) {
        let rate = u128::from(budget.per_second) * u128::from(RESEND_COST);
        let since = match self.at {
            Some(at) if self.spent > 0 && rate > 0 => at,
            _ => return self.at = Some(now),
        };
        let earned = now.saturating_duration_since(since).as_nanos() * rate / NANOS_PER_SECOND;
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        if earned >= self.spent {
            self.spent = 0;
            self.at = Some(now);
            return;
        }
        self.spent -= earned;
        // What is less than a hundredth is kept for the next time.
        let paid = u128::from(earned) * NANOS_PER_SECOND / rate;
        let paid = Duration::from_nanos(u64::try_from(paid).unwrap_or(u64::MAX));
        self.at = Some(since + paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: ResendBudget = ResendBudget {
        percent_of_requests: 20,
        per_second: 10,
        saved_max: 3,
    };

    #[tokio::test(start_paused = true)]
    async fn what_is_saved_up_is_spent_and_five_requests_earn_one() {
        let mut spent = Spent::default();
        for _ in 0..1_000 {
            spent.earn(&BUDGET);
        }
        for _ in 0..3 {
            assert!(spent.spend(&BUDGET));
        }
        for _ in 0..10 {
            assert!(!spent.spend(&BUDGET));
            for _ in 0..4 {
                spent.earn(&BUDGET);
                assert!(!spent.spend(&BUDGET));
            }
            spent.earn(&BUDGET);
            assert!(spent.spend(&BUDGET));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_earns_resends_however_often_it_is_looked_at() {
        for look in [7, 10, 33, 99, 100] {
            let mut spent = Spent::default();
            while spent.spend(&BUDGET) {}
            let mut resends = 0;
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(10) {
                resends += u32::from(spent.spend(&BUDGET));
                tokio::time::advance(Duration::from_millis(look)).await;
            }
            assert!((98..=100).contains(&resends), "{resends} at {look} ms");
        }
        // No more is saved up than that.
        let mut spent = Spent::default();
        while spent.spend(&BUDGET) {}
        tokio::time::advance(Duration::from_secs(86_400)).await;
        let resends = (0..10).filter(|_| spent.spend(&BUDGET)).count();
        assert_eq!(resends, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_of_nothing_allows_nothing() {
        let nothing = ResendBudget {
            percent_of_requests: 0,
            per_second: 0,
            saved_max: 0,
        };
        let mut spent = Spent::default();
        spent.earn(&nothing);
        assert!(!spent.spend(&nothing));
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert!(!spent.spend(&nothing));
    }
}
