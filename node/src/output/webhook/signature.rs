//! The signature of what a webhook is told: HMAC-SHA256 over identity, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::fmt;

/// Fewest bytes of a secret: the specification's.
const SECRET_MIN: usize = 24;
/// What the secret of Standard Webhooks begins with, before its base64.
const PREFIX: &str = "whsec_";

/// The secret that node and receiver share.
pub(super) struct Secret(hmac::Key);

impl fmt::Debug for Secret {
    /// Without the secret: it must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a secret: `whsec_` and base64, or any text, which is taken as it stands without the white space around it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|error| format!("behind `{PREFIX}` stands no base64: {error}"))?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < SECRET_MIN {
            return Err(format!("a secret has at least {SECRET_MIN} bytes, this one has {}", bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` of a body.
    pub(super) fn sign(&self, id: &str, unix_s: u64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{unix_s}.").as_bytes());
        context.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specifications_example() {
        // The example of the reference libraries (github.com/standard-webhooks), made again with Python's hmac.
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn identity_time_and_body_are_all_signed() {
        let secret = Secret::read("a plain text of more than 24 bytes").unwrap();
        let signed = secret.sign("a", 1, "b");
        for other in [secret.sign("c", 1, "b"), secret.sign("a", 2, "b"), secret.sign("a", 1, "c")] {
            assert_ne!(signed, other);
        }
        assert_eq!(signed, secret.sign("a", 1, "b"));
    }

    #[test]
    fn a_secret_that_can_be_guessed_or_is_cut_is_refused_and_none_is_shown() {
        assert!(Secret::read("short").unwrap_err().contains("at least 24"));
        assert!(Secret::read("whsec_MfKQ9r8GKYqr").unwrap_err().contains("at least 24"));
        assert!(Secret::read("whsec_%%%").unwrap_err().contains("no base64"));
        let secret = Secret::read("a plain text of more than 24 bytes").unwrap();
        assert!(!format!("{secret:?}").contains("plain"));
    }
}
