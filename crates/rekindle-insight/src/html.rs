//! HTML and SVG, element by element, so that no text of a user can become markup: names of classes and files go through here alone.
//!
//! Owns escaping. Which elements there are is the other files'.

use std::fmt::{self, Display, Write};

/// Elements without an end tag.
const VOID: [&str; 3] = ["meta", "img", "link"];

/// An element that is being made.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: String,
    inner: String,
}

/// An element of this name with nothing in it.
pub fn el(name: &'static str) -> Element {
    Element {
        name,
        attributes: String::new(),
        inner: String::new(),
    }
}

impl Element {
    /// With an attribute.
    pub fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        let value = escaped(&value.to_string());
        let _ = write!(self.attributes, " {name}=\"{value}\"");
        self
    }

    /// With a class of the style sheet.
    pub fn class(self, name: &'static str) -> Self {
        self.attr("class", name)
    }

    /// With a text behind what is in it.
    pub fn text(mut self, text: impl Display) -> Self {
        self.inner.push_str(&escaped(&text.to_string()));
        self
    }

    /// With an element behind what is in it.
    pub fn with(mut self, element: Self) -> Self {
        let _ = write!(self.inner, "{element}");
        self
    }

    /// With elements behind what is in it.
    pub fn with_all(self, elements: impl IntoIterator<Item = Self>) -> Self {
        elements.into_iter().fold(self, Self::with)
    }

    /// With text of this program's own that is not escaped: the style sheet and the script.
    pub fn own(mut self, text: &'static str) -> Self {
        self.inner.push_str(text);
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            attributes,
            inner,
        } = self;
        match VOID.contains(name) {
            true => write!(f, "<{name}{attributes}>"),
            false => write!(f, "<{name}{attributes}>{inner}</{name}>"),
        }
    }
}

/// Text as text and as the value of an attribute. Control characters, which HTML does not have, are shown as `�`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let name = "<script>alert('x')</script> & \"co\"\u{0}";
        let page = el("p").attr("title", name).text(name).to_string();
        let text = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;co&quot;\u{fffd}";
        assert_eq!(page, format!("<p title=\"{text}\">{text}</p>"));
    }

    #[test]
    fn elements_hold_elements_and_void_ones_do_not_end() {
        let list = el("ul").with_all(["a", "b"].map(|text| el("li").text(text)));
        assert_eq!(list.to_string(), "<ul><li>a</li><li>b</li></ul>");
        assert_eq!(el("img").attr("alt", 1).to_string(), "<img alt=\"1\">");
    }
}
