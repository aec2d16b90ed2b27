//! Every figure of a limiter, and what is good enough.

use crate::{
    Result,
    limiters::Limiter,
    scenarios::{self, BURST, Change, Lanes, Steady},
    targets,
};

/// What came of every scenario.
#[derive(Debug)]
pub struct Figures {
    /// Whose.
    pub limiter: Limiter,
    /// At a destination that always takes the same: its bucket holds 5,000 records.
    pub steady: Steady,
    /// Its bucket holds a second's, 50,000 records.
    pub steady_large_burst: Steady,
    /// Its bucket holds two requests, 1,000 records.
    pub steady_small_burst: Steady,
    /// It refuses a tenth by chance.
    pub ill: Steady,
    /// At a destination that changes.
    pub change: Change,
    /// Jain's index of four sinks.
    pub fairness: f64,
    /// What is left of fifteen lanes when one is throttled.
    pub lanes: Lanes,
}

impl Figures {
    /// Runs every scenario with this seed.
    ///
    /// # Errors
    ///
    /// When a sink fails.
    pub fn of(limiter: Limiter, seed: u64) -> Result<Self> {
        Ok(Self {
            limiter,
            steady: scenarios::steady(&limiter, BURST, 0.0, seed)?,
            steady_large_burst: scenarios::steady(&limiter, 50_000.0, 0.0, seed)?,
            steady_small_burst: scenarios::steady(&limiter, 1000.0, 0.0, seed)?,
            ill: scenarios::steady(&limiter, BURST, 0.1, seed)?,
            change: scenarios::change(&limiter, seed)?,
            fairness: scenarios::fairness(&limiter, seed)?,
            lanes: scenarios::lanes(&limiter, seed)?,
        })
    }
}

/// How a figure is written.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// A share, as percent.
    Percent,
    /// Seconds.
    Seconds,
    /// A number between 0 and 1.
    Index,
}

/// What is good enough.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    /// Whether a figure meets it. `None`, what never came about, does not.
    pub fn is_met(self, figure: Option<f64>) -> bool {
        figure.is_some_and(|figure| match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        })
    }
}

/// One figure of a limiter: a column of the table.
#[derive(Debug)]
pub struct Figure {
    /// The scenario, and what is measured.
    pub heading: [&'static str; 2],
    /// How it is written.
    pub unit: Unit,
    /// What is good enough; `None` where it only informs.
    pub target: Option<Target>,
    /// The figure; `None` when it never came about.
    pub of: fn(&Figures) -> Option<f64>,
}

/// All figures, in the order of the table.
pub const FIGURES: &[Figure] = &[
    Figure {
        heading: ["steady", "goodput"],
        unit: Unit::Percent,
        target: Some(Target::AtLeast(targets::GOODPUT)),
        of: |figures| Some(figures.steady.goodput),
    },
    Figure {
        heading: ["", "wasted"],
        unit: Unit::Percent,
        target: Some(Target::AtMost(targets::WASTE)),
        of: |figures| Some(figures.steady.wasted),
    },
    Figure {
        heading: ["burst 50k", "goodput"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.steady_large_burst.goodput),
    },
    Figure {
        heading: ["", "wasted"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.steady_large_burst.wasted),
    },
    Figure {
        heading: ["burst 1k", "goodput"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.steady_small_burst.goodput),
    },
    Figure {
        heading: ["", "wasted"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.steady_small_burst.wasted),
    },
    Figure {
        heading: ["10 % ill", "goodput"],
        unit: Unit::Percent,
        target: Some(Target::AtLeast(targets::GOODPUT)),
        of: |figures| Some(figures.ill.goodput),
    },
    Figure {
        heading: ["", "wasted"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.ill.wasted),
    },
    Figure {
        heading: ["start", "wasted"],
        unit: Unit::Percent,
        target: None,
        of: |figures| Some(figures.steady.start.wasted_share()),
    },
    Figure {
        heading: ["halved", "rate"],
        unit: Unit::Seconds,
        target: Some(Target::AtMost(targets::RECOVERY)),
        of: |figures| figures.change.halved.map(|time| time.as_secs_f64()),
    },
    Figure {
        heading: ["", "waste"],
        unit: Unit::Seconds,
        target: Some(Target::AtMost(targets::RECOVERY)),
        of: |figures| figures.change.halved_waste.map(|time| time.as_secs_f64()),
    },
    Figure {
        heading: ["doubled", "rate"],
        unit: Unit::Seconds,
        target: Some(Target::AtMost(targets::RECOVERY)),
        of: |figures| figures.change.doubled.map(|time| time.as_secs_f64()),
    },
    Figure {
        heading: ["4 sinks", "Jain"],
        unit: Unit::Index,
        target: Some(Target::AtLeast(targets::FAIRNESS)),
        of: |figures| Some(figures.fairness),
    },
    Figure {
        heading: ["16 lanes", "room"],
        unit: Unit::Percent,
        target: Some(Target::AtLeast(targets::OTHER_LANES)),
        of: |figures| Some(figures.lanes.with_room),
    },
    Figure {
        heading: ["", "full"],
        unit: Unit::Percent,
        target: Some(Target::AtLeast(targets::OTHER_LANES)),
        of: |figures| Some(figures.lanes.when_full),
    },
];
