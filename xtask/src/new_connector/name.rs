//! The name of a new connector, in each of the ways in which Rust writes it.

/// Why a name is none: what is accepted.
const ACCEPTED: &str = "write 1 to 30 lower-case letters, digits and single hyphens, a letter \
                        first, such as `redis` or `event-bus`";

/// Names whose types would be called as what the template imports.
const TAKEN: [&str; 2] = ["element", "snapshot"];

/// A valid name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// Reads a name; the error says what is accepted.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("the name `{text}` {what}: {ACCEPTED}"));
        if text.len() > 30 {
            return wrong("is too long");
        }
        if text.starts_with("sink-") {
            return wrong("begins with `sink-`, which the crate's name will have anyway");
        }
        if let Some(strange) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return wrong(&format!("has a `{}`", strange.escape_debug()));
        }
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return wrong("does not begin with a letter");
        }
        if text.ends_with('-') || text.contains("--") {
            return wrong("has a hyphen that joins nothing");
        }
        if TAKEN.contains(&text) {
            return wrong("would give a type the name of one of sink-core's traits");
        }
        Ok(Self(text.to_owned()))
    }

    /// `event-bus`.
    pub(crate) fn kebab(&self) -> &str {
        &self.0
    }

    /// `event_bus`.
    pub(crate) fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `EventBus`.
    pub(crate) fn camel(&self) -> String {
        let word = |word: &str| {
            let (first, rest) = word.split_at(word.len().min(1)); // letters are of one byte
            first.to_ascii_uppercase() + rest
        };
        self.0.split('-').map(word).collect()
    }

    /// `sink-event-bus`.
    pub(crate) fn package(&self) -> String {
        format!("sink-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_three_ways() {
        for (text, snake, camel) in [
            ("redis", "redis", "Redis"),
            ("event-bus", "event_bus", "EventBus"),
            ("s3", "s3", "S3"),
            ("x-2-y", "x_2_y", "X2Y"),
        ] {
            let name = Name::new(text).unwrap();
            assert_eq!(
                (name.kebab(), name.snake(), name.camel()),
                (text, snake.into(), camel.into())
            );
            assert_eq!(name.package(), format!("sink-{text}"));
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_is() {
        for (text, what) in [
            ("", "does not begin with a letter"),
            ("Redis", "has a `R`"),
            ("event_bus", "has a `_`"),
            ("../x", "has a `.`"),
            ("a\nb", "has a `\\n`"),
            ("é", "has a `é`"),
            ("3s", "does not begin with a letter"),
            ("-a", "does not begin with a letter"),
            ("a-", "has a hyphen that joins nothing"),
            ("a--b", "has a hyphen that joins nothing"),
            ("sink-redis", "begins with `sink-`"),
            ("element", "would give a type the name"),
            (&"a".repeat(31), "is too long"),
        ] {
            let wrong = Name::new(text).unwrap_err();
            assert!(wrong.contains(what) && wrong.ends_with(ACCEPTED), "{text:?}: {wrong}");
        }
    }
}
