//! Pages for people. They work without JavaScript; everything is escaped, by askama and by default.

use askama::Template;

/// The one style sheet of all pages.
pub const STYLE: &str = include_str!("html/style.css");

/// What a browser may do with a page: nothing from elsewhere, no script, no frame, forms to ourselves alone.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The first page. All its links are relative, so that it works below any prefix.
#[derive(Debug, Template)]
#[template(path = "start.html", config = "src/report/html/askama.toml")]
pub struct Start {
    /// The version of the program.
    pub version: &'static str,
    /// The names of all modules.
    pub modules: Vec<String>,
    /// The listed domains, in the order of the configuration.
    pub domains: Vec<Listed>,
    /// Whether others can be probed too.
    pub unlisted_allowed: bool,
}

/// A listed domain.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub domain: String,
    /// Its module.
    pub module: String,
}

/// The page as HTML.
pub fn start(page: &Start) -> String {
    page.render().expect("writing to a string does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let html = start(&Start {
            version: "1.2.3",
            modules: vec!["default".to_owned(), "<b>&\"".to_owned()],
            domains: vec![Listed {
                domain: "example.com".to_owned(),
                module: "a&b=\"c".to_owned(),
            }],
            unlisted_allowed: false,
        });
        for part in [
            "Version 1.2.3",
            "<option selected>default</option>",
            "<option>&#60;b&#62;&#38;&#34;</option>",
            "href=\"probe?target=example.com&amp;module=a%26b%3D%22c\"",
            "Only the domains listed below",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
    }
}
