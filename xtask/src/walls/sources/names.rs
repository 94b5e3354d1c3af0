//! The names that a file says: full paths, imports followed, inside macros too.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::HashMap;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemStatic, ItemUse, Macro, StaticMutability, UseTree};

/// What may not be said.
#[derive(Debug)]
pub(super) struct Forbidden<'a> {
    pub paths: &'a [String],
    pub macros: &'a [String],
    pub static_types: &'a [String],
}

/// What was said of it, and in which line.
#[derive(Debug)]
pub(super) struct Said<'a> {
    forbidden: &'a Forbidden<'a>,
    /// Imported name to full path, of the whole file: a shadowed name errs on the side of the wall.
    imports: HashMap<String, Vec<String>>,
    pub found: Vec<(usize, String)>,
}

impl<'a> Said<'a> {
    pub(super) fn new(forbidden: &'a Forbidden<'a>) -> Self {
        Self { forbidden, imports: HashMap::new(), found: Vec::new() }
    }

    fn path(&mut self, span: Span, segments: Vec<String>) {
        let mut full = match segments.first().and_then(|first| self.imports.get(first)) {
            Some(imported) => imported.iter().cloned().chain(segments.into_iter().skip(1)).collect(),
            None => segments,
        };
        if let Some(first) = full.first_mut().filter(|first| *first == "core" || *first == "alloc") {
            "std".clone_into(first);
        }
        for forbidden in self.forbidden.paths {
            let wall: Vec<_> = forbidden.split("::").collect();
            let everything = full.last().is_some_and(|last| last == "*");
            let named = if everything { full.get(..full.len() - 1).unwrap_or_default() } else { &full };
            if starts_with(named, &wall) || everything && starts_with(&wall, named) {
                self.found.push((span.start().line, format!("says `{}`", full.join("::"))));
                return;
            }
        }
    }

    fn macro_name(&mut self, span: Span, name: &str) {
        if self.forbidden.macros.iter().any(|forbidden| forbidden == name) {
            self.found.push((span.start().line, format!("says `{name}!`")));
        }
    }

    /// A macro's input has no syntax of its own; paths and macros in it still look like paths and macros.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Option<(Span, Vec<String>)> = None;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 => {
                    colons = 0;
                    if let Some((_, segments)) = &mut path {
                        segments.push(ident.to_string());
                    }
                }
                TokenTree::Ident(ident) => {
                    self.end(path.replace((ident.span(), vec![ident.to_string()])));
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    if let Some((span, segments)) = path.take() {
                        self.macro_name(span, segments.last().map_or("", String::as_str));
                    }
                }
                other => {
                    self.end(path.take());
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end(path);
    }

    fn end(&mut self, path: Option<(Span, Vec<String>)>) {
        if let Some((span, segments)) = path {
            self.path(span, segments);
        }
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String]) {
        let with = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, prefix)),
            UseTree::Glob(glob) => self.path(glob.star_token.span(), with("*".into())),
            UseTree::Name(name) => {
                self.imported(&name.ident, with(name.ident.to_string()), name.ident.to_string())
            }
            UseTree::Rename(rename) => {
                self.imported(&rename.ident, with(rename.ident.to_string()), rename.rename.to_string());
            }
        }
    }

    fn imported(&mut self, ident: &syn::Ident, mut full: Vec<String>, name: String) {
        if full.last().is_some_and(|last| last == "self") {
            full.pop();
        }
        let name = if name == "self" { full.last().cloned().unwrap_or_default() } else { name };
        self.path(ident.span(), full.clone());
        self.imports.insert(name, full);
    }
}

impl<'ast> Visit<'ast> for Said<'_> {
    fn visit_file(&mut self, file: &'ast File) {
        // Imports first: they hold for the whole file, wherever they stand in it.
        for item in &file.items {
            if let Item::Use(item) = item
                && !only_in_tests(&item.attrs)
            {
                self.import(&item.tree, &[]);
            }
        }
        for item in file.items.iter().filter(|item| !matches!(item, Item::Use(_))) {
            self.visit_item(item);
        }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).is_some_and(only_in_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(first.ident.span(), segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        if let Some(last) = called.path.segments.last() {
            self.macro_name(last.ident.span(), &last.ident.to_string());
        }
        self.tokens(called.tokens.clone());
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        let line = item.static_token.span.start().line;
        if matches!(item.mutability, StaticMutability::Mut(_)) {
            self.found.push((line, format!("has the global variable `{}`", item.ident)));
        }
        let shared = |name: &str| self.forbidden.static_types.iter().any(|forbidden| forbidden == name);
        if idents(item.ty.to_token_stream()).iter().any(|name| shared(name)) {
            self.found.push((line, format!("has the global variable `{}`", item.ident)));
        }
        visit::visit_item_static(self, item);
    }
}

/// The modules in files of their own that a file declares for tests only.
pub(super) fn test_modules(file: &File) -> Vec<String> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && only_in_tests(&module.attrs) => {
            Some(module.ident.to_string())
        }
        _ => None,
    });
    modules.collect()
}

fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => {
            list.path.is_ident("cfg")
                && matches!(idents(list.tokens.clone()).as_slice(), [only] if only == "test")
        }
        syn::Meta::NameValue(_) => false,
    })
}

fn attributes(item: &Item) -> Option<&[Attribute]> {
    Some(match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return None,
    })
}

fn idents(tokens: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => names.push(ident.to_string()),
            TokenTree::Group(group) => names.extend(idents(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    names
}

fn starts_with(path: &[impl AsRef<str>], prefix: &[impl AsRef<str>]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(a, b)| a.as_ref() == b.as_ref())
}
