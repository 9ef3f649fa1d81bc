//! Names in URLs: every byte that may mean something there is escaped.

/// A key as part of a path: its slashes stay.
pub(crate) fn escaped_path(key: &str) -> String {
    escaped(key, b"-._~/")
}

/// The value of a parameter in a query.
pub(crate) fn escaped_value(text: &str) -> String {
    escaped(text, b"-._~")
}

fn escaped(text: &str, plain: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_key_contains_stays_in_its_path() {
        assert_eq!(escaped_path("service/pg-1_a.b~c/leader"), "service/pg-1_a.b~c/leader");
        assert_eq!(escaped_path("a b?c#d%e&f=g+é\n"), "a%20b%3Fc%23d%25e%26f%3Dg%2B%C3%A9%0A");
        assert_eq!(escaped_value("dc/1"), "dc%2F1");
    }
}
