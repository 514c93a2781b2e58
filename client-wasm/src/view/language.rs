//! Puts the page's own words into its language: texts, and what a screen reader or an empty field says.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlTemplateElement, Node};

use crate::language::translation;

const SPOKEN: [&str; 3] = ["aria-label", "placeholder", "title"];

/// Translates all of a page, its templates as well.
pub(crate) fn translate(document: &Document) {
    if let Some(root) = document.document_element() {
        walk(&root);
    }
}

fn walk(node: &Node) {
    if let Some(element) = node.dyn_ref::<Element>() {
        for name in SPOKEN {
            let words = element.get_attribute(name);
            if let Some(words) = words.and_then(|words| translation(&words)) {
                let _ = element.set_attribute(name, &words);
            }
        }
        if let Some(template) = element.dyn_ref::<HtmlTemplateElement>() {
            walk(&template.content());
        }
    }
    if node.node_type() == Node::TEXT_NODE
        && let Some(text) = node.text_content()
        && let Some(words) = translation(text.trim())
    {
        node.set_text_content(Some(&words));
    }
    let mut next = node.first_child();
    while let Some(child) = next {
        walk(&child);
        next = child.next_sibling();
    }
}
