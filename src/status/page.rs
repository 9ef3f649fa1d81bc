//! The page: a single file, and the Content-Security-Policy that forbids everything else.

/// The page with this nonce on its style and its script; a browser runs nothing with another nonce or none.
pub fn page(nonce: &str) -> String {
    PAGE.replace("{nonce}", nonce)
}

/// The value of the header `Content-Security-Policy`.
pub fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

const PAGE: &str = include_str!("page.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_inserts_no_text_as_markup() {
        for foreign in
            ["http://", "https://", "src=", "innerHTML", "insertAdjacent", "document.write", " style=", " on"]
        {
            let allowed = PAGE.matches("http://www.w3.org/").count();
            let found = PAGE.matches(foreign).count() - if foreign == "http://" { allowed } else { 0 };
            let found = if foreign == " on" {
                PAGE.matches(" onclick").count() + PAGE.matches(" onload").count()
            } else {
                found
            };
            assert_eq!(found, 0, "{foreign}");
        }
        assert!(!page("abc").contains("{nonce}") && policy("abc").contains("'nonce-abc'"));
        assert!(PAGE.contains("prefers-color-scheme") && PAGE.contains("width=device-width"));
    }
}
