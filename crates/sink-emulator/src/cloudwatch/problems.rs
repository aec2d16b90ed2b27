//! What is wrong with a request, all of it, in the service's words.

use super::shapes::Number;
use crate::api::ApiError;

/// What was found so far, with the code of each.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(&'static str, String)>);

impl Problems {
    /// A request has one code: the first problem's. The message has all that have this code, a line
    /// for each, as the service does.
    pub(super) fn into_result(self) -> Result<(), ApiError> {
        let Some((code, _)) = self.0.first() else { return Ok(()) };
        let lines: Vec<_> =
            self.0.iter().filter(|(other, _)| other == code).map(|(_, line)| &**line).collect();
        Err(ApiError::new(code, lines.join("\n")))
    }

    pub(super) fn missing(&mut self, parameter: &str) {
        self.0.push(("MissingParameter", format!("The parameter {parameter} is required.")));
    }

    /// What was given, if it was.
    pub(super) fn required<T>(&mut self, parameter: &str, given: Option<T>) -> Option<T> {
        if given.is_none() {
            self.missing(parameter);
        }
        given
    }

    pub(super) fn combination(&mut self, message: String) {
        self.0.push(("InvalidParameterCombination", message));
    }

    pub(super) fn invalid(&mut self, message: String) {
        self.0.push(("InvalidParameterValue", message));
    }

    pub(super) fn bad_value(&mut self, parameter: &str, value: &str) {
        self.invalid(format!("The value {value} for parameter {parameter} is invalid."));
    }

    pub(super) fn not_in_set(&mut self, parameter: &str, set: &str) {
        self.invalid(format!("The parameter {parameter} must be a value in the set [ {set} ]."));
    }

    /// A collection's size.
    pub(super) fn at_most(&mut self, collection: &str, size: usize, most: usize) {
        if size > most {
            self.invalid(format!(
                "The collection {collection} must not have a size greater than {most}."
            ));
        }
    }

    /// A text of 1 to so many characters, if it is one.
    pub(super) fn text(
        &mut self,
        parameter: &str,
        text: Option<String>,
        most: usize,
    ) -> Option<String> {
        let text = self.required(parameter, text)?;
        let length = text.chars().count();
        if length == 0 {
            self.invalid(format!("The parameter {parameter} must be longer than 0 characters."));
        } else if length > most {
            self.invalid(format!(
                "The parameter {parameter} must be shorter than {} characters.",
                most + 1
            ));
        }
        (1..=most).contains(&length).then_some(text)
    }

    /// A number that is finite and within ±2^360, if it is one.
    pub(super) fn number(&mut self, parameter: &str, number: Option<Number>) -> Option<f64> {
        let Number(number) = self.required(parameter, number)?;
        // Neither NaN nor an infinity is in there.
        let limit = 2_f64.powi(360);
        if !(-limit..=limit).contains(&number) {
            self.bad_value(parameter, &number.to_string());
            return None;
        }
        Some(number)
    }

    /// A count.
    pub(super) fn not_negative(&mut self, parameter: &str, count: f64) {
        if count < 0.0 {
            self.bad_value(parameter, &count.to_string());
        }
    }
}
