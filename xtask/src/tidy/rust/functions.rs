//! How long a function may be.

use proc_macro2::{LineColumn, Span, TokenStream};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::super::Finding;
use super::super::tree::File;

/// From the signature to the closing brace. A table or a state machine may be exempted.
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(file: &File, tokens: TokenStream) -> Vec<Finding> {
    match syn::parse2::<syn::File>(tokens) {
        Ok(syntax) => {
            let mut lengths = Lengths {
                file,
                findings: Vec::new(),
            };
            lengths.visit_file(&syntax);
            lengths.findings
        }
        Err(error) => {
            let text = format!("does not parse: {error}");
            vec![Finding::new(file, error.span().start().line, "parse", text)]
        }
    }
}

struct Lengths<'a> {
    file: &'a File,
    findings: Vec<Finding>,
}

impl Lengths<'_> {
    fn measure(&mut self, name: &syn::Ident, whole: Span, body: &syn::Block) {
        let LineColumn { line: first, .. } = name.span().start();
        let LineColumn { line: last, .. } = body.span().end();
        let lines = last + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let text = format!("`{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}");
            let above = whole.start().line.saturating_sub(1);
            let finding = Finding::new(self.file, first, "function-length", text);
            self.findings.push(finding.exempt_within(above..=last));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.span(), &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.span(), &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig.ident, item.span(), body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings;

    fn long(signature: &str, lines: usize) -> String {
        format!("{signature} {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_of_more_than_seventy_lines_is_found_wherever_it_stands() {
        let place = "crates/a/src/b.rs";
        assert_eq!(findings(place, &long("fn f()", 70)), []);
        assert_eq!(
            findings(place, &long("fn f()", 71)),
            [("function-length", 1)]
        );
        for around in ["impl A", "trait A", "mod a", "fn g()"] {
            let nested = format!("{around} {{\n{}}}\n", long("fn f()", 71));
            let found = findings(place, &nested);
            assert!(
                found.contains(&("function-length", 2)),
                "in {around}: {found:?}"
            );
        }
    }

    #[test]
    fn an_exemption_inside_of_the_function_is_heard() {
        use super::super::super::{exemption, tree::File};
        let reason = "// tidy: allow(function-length): a table that is read as a whole";
        let text = long(&format!("{reason}\nfn f()"), 80);
        let file = File {
            path: "crates/a/src/b.rs".into(),
            text,
        };
        assert_eq!(exemption::apply(&file, super::super::check(&file)), []);
    }
}
