//! What the checks found.

use std::fmt;

use super::service::Cannot;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a check that is not looked at checks nothing"]
pub enum Finding {
    /// The rule holds; what was seen.
    Kept(String),
    /// The rule does not hold.
    Broken(Broken),
    /// Nobody knows, because the service cannot do what the check needs; why not.
    NotTried(String),
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub(super) rule: &'static str,
    pub(super) seen: String,
    pub(super) look_at: &'static str,
}

impl Broken {
    /// What holds of every connector.
    pub fn rule(&self) -> &str {
        self.rule
    }

    /// What was seen instead.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// Where the cause is likely to be.
    pub fn look_at(&self) -> &str {
        self.look_at
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, seen, look_at } = self;
        write!(f, "{rule}; seen: {seen}; look at: {look_at}")
    }
}

impl Finding {
    /// Fails when the rule is broken. A check that was not tried passes: see
    /// [`Report::assert_conforms`].
    ///
    /// # Panics
    ///
    /// Then, with the rule, what was seen, and what to look at.
    #[track_caller]
    pub fn assert_not_broken(self) {
        assert!(!matches!(self, Self::Broken(_)), "{self}");
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(seen) => write!(f, "kept: {seen}"),
            Self::Broken(broken) => write!(f, "BROKEN: {broken}"),
            Self::NotTried(why) => write!(f, "not tried: {why}"),
        }
    }
}

/// Why a check ends before it has shown that its rule holds.
#[derive(Debug)]
pub(super) enum Stop {
    Broken(Broken),
    NotTried(String),
}

impl Stop {
    pub(super) fn broken(
        rule: &'static str,
        seen: impl Into<String>,
        look_at: &'static str,
    ) -> Self {
        Self::Broken(Broken { rule, seen: seen.into(), look_at })
    }
}

impl From<Cannot> for Stop {
    fn from(cannot: Cannot) -> Self {
        Self::NotTried(cannot.to_string())
    }
}

impl From<Result<String, Stop>> for Finding {
    fn from(result: Result<String, Stop>) -> Self {
        match result {
            Ok(seen) => Self::Kept(seen),
            Err(Stop::Broken(broken)) => Self::Broken(broken),
            Err(Stop::NotTried(why)) => Self::NotTried(why),
        }
    }
}

/// What all checks found. `Display` is a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "look at it with `assert_conforms`"]
pub struct Report {
    kind: &'static str,
    findings: Vec<(&'static str, Finding)>,
}

impl Report {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, check: &'static str, finding: Finding) {
        self.findings.push((check, finding));
    }

    /// Each check's name, which is that of its function, and what it found.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.findings.iter().map(|(check, finding)| (*check, finding))
    }

    /// The names of the checks whose rule is broken.
    pub fn broken(&self) -> Vec<&'static str> {
        self.names(|finding| matches!(finding, Finding::Broken(_)))
    }

    /// The names of the checks that this service could not be tried with.
    pub fn not_tried(&self) -> Vec<&'static str> {
        self.names(|finding| matches!(finding, Finding::NotTried(_)))
    }

    fn names(&self, wanted: impl Fn(&Finding) -> bool) -> Vec<&'static str> {
        self.findings().filter(|(_, finding)| wanted(finding)).map(|(check, _)| check).collect()
    }

    /// Fails unless every rule holds, and exactly the checks named `not_tried` were not tried: so
    /// a check that goes untried after some change is noticed.
    ///
    /// # Panics
    ///
    /// Otherwise, with the table.
    #[track_caller]
    pub fn assert_conforms(&self, not_tried: &[&str]) {
        assert!(self.broken().is_empty(), "the connector does not conform\n{self}");
        let (mut seen, mut expected) = (self.not_tried(), not_tried.to_vec());
        seen.sort_unstable();
        expected.sort_unstable();
        assert!(seen == expected, "not tried are {seen:?}, expected {expected:?}\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, not_tried) = (self.broken().len(), self.not_tried().len());
        let kept = self.findings.len() - broken - not_tried;
        let kind = self.kind;
        writeln!(f, "conformance of {kind}: {kept} kept, {broken} broken, {not_tried} not tried")?;
        let width = self.findings.iter().map(|(check, _)| check.len()).max().unwrap_or(0);
        for (check, finding) in &self.findings {
            match finding {
                Finding::Kept(seen) => writeln!(f, "  kept       {check:width$}  {seen}")?,
                Finding::NotTried(why) => writeln!(f, "  not tried  {check:width$}  {why}")?,
                Finding::Broken(Broken { rule, seen, look_at }) => {
                    let indent = 15 + width;
                    writeln!(f, "  BROKEN     {check:width$}  {rule}")?;
                    writeln!(f, "{:indent$}seen: {seen}", "")?;
                    writeln!(f, "{:indent$}look at: {look_at}", "")?;
                }
            }
        }
        Ok(())
    }
}
