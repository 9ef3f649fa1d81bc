//! What the observers recorded of one case, in seconds since its start, and the arithmetic on it.
//!
//! Nothing here asks a clock or a kernel: the numbers of the report are pure functions of the record.

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

/// A host and when it had the address.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Lane {
    pub(crate) host: String,
    pub(crate) held: Vec<Span>,
    /// When its announcements reached the client.
    pub(crate) announced: Vec<f64>,
}

/// The name in the key. None while the key was absent.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct LeaderTerm {
    pub(crate) span: Span,
    pub(crate) value: Option<String>,
}

/// The record of a case.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Record {
    /// The length of the case.
    pub(crate) length: f64,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) terms: Vec<LeaderTerm>,
    /// The faults, with a description.
    pub(crate) faults: Vec<(Span, String)>,
    /// The times during which the client's pings were not answered.
    pub(crate) silences: Vec<Span>,
    pub(crate) lost: u32,
    pub(crate) sent: u32,
    /// The state of the client's connection at the end.
    pub(crate) connection: String,
}

impl Record {
    /// For how long two hosts had the address at the same time.
    pub(crate) fn overlap(&self) -> f64 {
        let mut sum = 0.0;
        for (place, one) in self.lanes.iter().enumerate() {
            for other in &self.lanes[..place] {
                sum += one.held.iter().flat_map(|a| other.held.iter().map(|b| a.shared(*b))).sum::<f64>();
            }
        }
        sum
    }

    /// For how long no host had the address.
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

    /// How long before the end of a term its host had released the address: the minimum of all terms, negative if it
    /// released it only after the end.
    pub(crate) fn ahead(&self) -> Option<f64> {
        // Writing the same name again does not end a term.
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

    /// The name in the key at the end.
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
    fn overlaps_of_three_hosts_count_for_each_pair() {
        let record =
            record(vec![lane("a", &[(0.0, 10.0)]), lane("b", &[(1.0, 2.0)]), lane("c", &[(1.0, 3.0)])], vec![]);
        assert!(close(record.overlap(), 4.0), "{}", record.overlap());
    }

    #[test]
    fn no_holder_at_all_is_one_long_gap() {
        let record = record(vec![lane("a", &[])], vec![]);
        assert!(close(record.gap(), 10.0));
        assert_eq!(record.holders(), Vec::<&str>::new());
    }

    #[test]
    fn a_release_before_the_end_of_the_term_is_ahead_and_after_it_is_negative() {
        let terms = vec![term(0.0, 6.0, Some("a")), term(6.0, 6.2, None), term(6.2, 10.0, Some("b"))];
        let early = record(vec![lane("a", &[(0.0, 4.0)]), lane("b", &[(6.3, 10.0)])], terms.clone());
        assert!(close(early.ahead().unwrap(), 2.0));
        let late = record(vec![lane("a", &[(0.0, 6.1)]), lane("b", &[(6.3, 10.0)])], terms);
        assert!(close(late.ahead().unwrap(), -0.1));
        assert_eq!(late.named(), Some("b"));
    }

    #[test]
    fn writing_the_same_name_again_does_not_end_a_term() {
        let terms = vec![term(0.0, 3.0, Some("a")), term(3.0, 10.0, Some("a"))];
        assert_eq!(record(vec![lane("a", &[(0.0, 10.0)])], terms).ahead(), None);
    }

    #[test]
    fn a_term_without_end_has_no_release() {
        assert_eq!(record(vec![lane("a", &[(0.0, 10.0)])], vec![term(0.0, 10.0, Some("a"))]).ahead(), None);
    }
}
