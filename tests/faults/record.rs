//! What the observers wrote down of one case, in seconds since its begin, and the arithmetic over it.
//!
//! Nothing here asks a clock or a kernel: the figures of the report are pure functions of what was recorded.

/// A time from one moment to another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) until: f64,
}

impl Span {
    pub(crate) fn length(self) -> f64 {
        (self.until - self.from).max(0.0)
    }

    fn shared(self, other: Self) -> f64 {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }.length()
    }
}

/// A host and when its kernel showed the address.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Lane {
    pub(crate) host: String,
    pub(crate) held: Vec<Span>,
    /// When the wire carried its announcements.
    pub(crate) announced: Vec<f64>,
}

/// Who the key named; nobody where it was absent.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct LeaderTerm {
    pub(crate) span: Span,
    pub(crate) value: Option<String>,
}

/// All that is known of a case.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Record {
    /// How long it was.
    pub(crate) length: f64,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) terms: Vec<LeaderTerm>,
    /// What was done to whom, and for how long.
    pub(crate) faults: Vec<(Span, String)>,
    /// The times in which the client's pings went unanswered.
    pub(crate) silences: Vec<Span>,
    pub(crate) lost: u32,
    pub(crate) sent: u32,
    /// How the client's connection stood at the end.
    pub(crate) connection: String,
}

impl Record {
    /// For how long two hosts had the address at once.
    pub(crate) fn overlap(&self) -> f64 {
        let mut sum = 0.0;
        for (place, one) in self.lanes.iter().enumerate() {
            for other in &self.lanes[..place] {
                sum += one.held.iter().flat_map(|a| other.held.iter().map(|b| a.shared(*b))).sum::<f64>();
            }
        }
        sum
    }

    /// For how long nobody had it.
    pub(crate) fn gap(&self) -> f64 {
        let mut held: Vec<Span> = self.lanes.iter().flat_map(|lane| lane.held.iter().copied()).collect();
        held.sort_by(|a, b| a.from.total_cmp(&b.from));
        let (mut gap, mut reached) = (0.0, 0.0_f64);
        for span in held {
            gap += (span.from - reached).max(0.0);
            reached = reached.max(span.until);
        }
        gap + (self.length - reached).max(0.0)
    }

    /// The client's longest time without an answer.
    pub(crate) fn silence(&self) -> f64 {
        self.silences.iter().map(|span| span.length()).fold(0.0, f64::max)
    }

    /// Where a term ended: how long before that its host had let go. Negative where it let go only afterwards; the
    /// least of them where there are several.
    pub(crate) fn ahead(&self) -> Option<f64> {
        // The same name written again ends nothing.
        let ends = self.terms.windows(2).filter(|pair| pair[0].value != pair[1].value).map(|pair| &pair[0]);
        ends.filter_map(|term| {
            let lane = self.lanes.iter().find(|lane| Some(&lane.host) == term.value.as_ref())?;
            let last = lane.held.iter().rev().find(|held| held.from < term.span.until)?;
            Some(term.span.until - last.until)
        })
        .min_by(f64::total_cmp)
    }

    /// The hosts that have the address at the end.
    pub(crate) fn holders(&self) -> Vec<&str> {
        let holds = |lane: &&Lane| lane.held.last().is_some_and(|last| last.until >= self.length);
        self.lanes.iter().filter(holds).map(|lane| lane.host.as_str()).collect()
    }

    /// Who the key names at the end.
    pub(crate) fn named(&self) -> Option<&str> {
        self.terms.last()?.value.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: f64, until: f64) -> Span {
        Span { from, until }
    }

    fn lane(host: &str, held: &[(f64, f64)]) -> Lane {
        let held = held.iter().map(|(from, until)| span(*from, *until)).collect();
        Lane { host: host.to_owned(), held, announced: Vec::new() }
    }

    fn term(from: f64, until: f64, value: Option<&str>) -> LeaderTerm {
        LeaderTerm { span: span(from, until), value: value.map(str::to_owned) }
    }

    fn record(lanes: Vec<Lane>, terms: Vec<LeaderTerm>) -> Record {
        Record { length: 10.0, lanes, terms, ..Record::default() }
    }

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn hosts_one_after_the_other_leave_a_gap_and_no_overlap() {
        let record = record(vec![lane("a", &[(0.0, 4.0)]), lane("b", &[(5.5, 10.0)])], vec![]);
        assert!(close(record.overlap(), 0.0) && close(record.gap(), 1.5));
        assert_eq!(record.holders(), ["b"]);
    }

    #[test]
    fn two_hosts_at_once_overlap_and_leave_no_gap() {
        let record = record(vec![lane("a", &[(0.0, 6.0)]), lane("b", &[(5.0, 10.0)])], vec![]);
        assert!(close(record.overlap(), 1.0) && close(record.gap(), 0.0));
    }

    #[test]
    fn a_third_host_within_another_ones_hold_counts_for_each_pair() {
        let record =
            record(vec![lane("a", &[(0.0, 10.0)]), lane("b", &[(1.0, 2.0)]), lane("c", &[(1.0, 3.0)])], vec![]);
        assert!(close(record.overlap(), 4.0), "{}", record.overlap());
    }

    #[test]
    fn nobody_at_all_is_one_long_gap() {
        let record = record(vec![lane("a", &[])], vec![]);
        assert!(close(record.gap(), 10.0));
        assert_eq!(record.holders(), Vec::<&str>::new());
    }

    #[test]
    fn letting_go_before_the_end_of_the_reign_is_ahead_and_after_it_is_behind() {
        let terms = vec![term(0.0, 6.0, Some("a")), term(6.0, 6.2, None), term(6.2, 10.0, Some("b"))];
        let early = record(vec![lane("a", &[(0.0, 4.0)]), lane("b", &[(6.3, 10.0)])], terms.clone());
        assert!(close(early.ahead().unwrap(), 2.0));
        let late = record(vec![lane("a", &[(0.0, 6.1)]), lane("b", &[(6.3, 10.0)])], terms);
        assert!(close(late.ahead().unwrap(), -0.1));
        assert_eq!(late.named(), Some("b"));
    }

    #[test]
    fn the_same_name_written_again_ends_nothing() {
        let terms = vec![term(0.0, 3.0, Some("a")), term(3.0, 10.0, Some("a"))];
        assert_eq!(record(vec![lane("a", &[(0.0, 10.0)])], terms).ahead(), None);
    }

    #[test]
    fn a_reign_that_goes_on_has_no_end_to_be_ahead_of() {
        assert_eq!(record(vec![lane("a", &[(0.0, 10.0)])], vec![term(0.0, 10.0, Some("a"))]).ahead(), None);
    }
}
