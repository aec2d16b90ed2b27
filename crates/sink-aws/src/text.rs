//! Short one-line texts for messages and logs, without secrets.

use std::error::Error;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Bytes of a service's message that a message of ours repeats.
const LONGEST: usize = 400;

/// Where the secrets begin: the answer to a wrong signature goes on with the request as it should
/// have been signed, session token included.
const SECRETS: [&str; 2] = ["The Canonical String", "The String-to-Sign"];

/// What a failed call says, for a log: the service's code and message, or else the error and its
/// causes. On one line and cut short; the SDK's own text goes on with the request, secrets
/// included.
pub fn describe<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error.code() {
        Some(code) => {
            format!("{}: {}", one_line(code), one_line(error.message().unwrap_or("no message")))
        }
        None => chain(error),
    }
}

/// For messages: enough of a key to find the element by, in quotation marks.
pub fn shortened(key: &str) -> String {
    match key.char_indices().nth(32) {
        None => format!("`{key}`"),
        Some((end, _)) => format!("`{}…`", &key[..end]),
    }
}

/// A text on one line, without what follows the mark of a secret, and cut at [`LONGEST`] bytes.
pub(crate) fn one_line(text: &str) -> String {
    let end = SECRETS.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let mut line = String::new();
    for word in text[..end].split([' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST {
            line.truncate(line.floor_char_boundary(LONGEST));
            break;
        }
    }
    line
}

/// An error and all its causes, on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        let message = one_line(&error.to_string());
        // Many errors repeat the text of their source.
        if !message.is_empty() && !text.contains(&message) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&message);
        }
    }
    text
}

/// The first error of this type among the causes, the error itself included.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_kinesis::operation::put_records::PutRecordsError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

    use super::*;

    #[test]
    fn a_message_is_one_line_without_secrets_and_cut_between_characters() {
        for (text, expected) in [
            ("", String::new()),
            ("\n  Rate\r\n exceeded \n", "Rate exceeded".to_owned()),
            ("No match.\n\nThe Canonical String: x-amz-security-token:s", "No match.".to_owned()),
            ("No match. The String-to-Sign: x. The Canonical String: y", "No match.".to_owned()),
            (&"é".repeat(300), "é".repeat(200)),
            (&format!("a{}", "é".repeat(300)), format!("a{}", "é".repeat(199))),
        ] {
            assert_eq!(one_line(text), expected);
        }
    }

    #[test]
    fn a_failed_call_is_described_by_its_code_or_by_its_causes() {
        let status = StatusCode::try_from(400).unwrap();
        let answer = || HttpResponse::new(status, SdkBody::empty());
        let said = |code, message| {
            let meta = ErrorMetadata::builder().code(code).message(message).build();
            SdkError::service_error(PutRecordsError::generic(meta), answer())
        };
        for (error, expected) in [
            (said("Throttled", "Rate\nexceeded"), "Throttled: Rate exceeded"),
            (said("Wrong", "No match. The Canonical String: secret"), "Wrong: No match."),
            (
                SdkError::timeout_error(io::Error::other("too late")),
                "request has timed out: too late",
            ),
        ] {
            assert_eq!(describe(&error), expected);
        }
    }

    #[test]
    fn a_chain_is_one_line_and_repeats_nothing() {
        let io = io::Error::other("refused");
        assert_eq!(chain(&io::Error::other(io)), "refused");
    }
}
