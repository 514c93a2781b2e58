//! What the files of a crate import from each other, read from their sources: `use` items and paths.
//!
//! A name that a module only passes on (`pub use`) leads to the file that defines it. What macros are
//! given is not looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use ferrite_tests::artefacts;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// The files that each file imports.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// A module's path from the crate's root.
type ModulePath = Vec<String>;

/// A crate's modules.
#[derive(Debug, Default)]
pub(crate) struct Sources(HashMap<ModulePath, Module>);

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// What it defines.
    items: BTreeSet<String>,
    /// What it passes on: a name, or `*`, and the path behind it.
    passed_on: Vec<(String, ModulePath)>,
    /// Names for paths, from its `use` items.
    names: HashMap<String, ModulePath>,
    /// Every path in it.
    paths: BTreeSet<ModulePath>,
}

impl Sources {
    /// Reads the crate that begins in this file of the repository.
    pub(crate) fn read(root: &str) -> Result<Self> {
        let mut sources = Self::default();
        sources.read_module(&artefacts::repository(), Path::new(root), Vec::new())?;
        Ok(sources)
    }

    fn read_module(&mut self, root: &Path, file: &Path, path: ModulePath) -> Result<()> {
        let text = std::fs::read_to_string(root.join(file));
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        let mut reader = Reader::default();
        reader.visit_file(&syn::parse_file(&text)?);
        reader.module.file = file.to_string_lossy().into_owned();
        let directory = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "main" | "mod") | None => file.parent().context("a directory")?.to_owned(),
            Some(_) => file.with_extension(""),
        };
        for child in reader.children {
            let flat = directory.join(format!("{child}.rs"));
            let below = match root.join(&flat).exists() {
                true => flat,
                false => directory.join(&child).join("mod.rs"),
            };
            let path = path.iter().cloned().chain([child]).collect();
            self.read_module(root, &below, path)?;
        }
        self.0.insert(path, reader.module);
        Ok(())
    }

    /// Which file imports which.
    pub(crate) fn imports(&self) -> Imports {
        let files = self.0.iter().map(|(path, module)| {
            let far = module.paths.iter().filter_map(|used| {
                let at = self.absolute(path, used)?;
                Some(self.0.get(&self.origin(at, 0)?)?.file.clone())
            });
            let far = far.filter(|far| *far != module.file);
            (module.file.clone(), far.collect())
        });
        files.collect()
    }

    /// A path as it is written in a module, from the crate's root. `None` if it leaves the crate.
    fn absolute(&self, module: &[String], used: &[String]) -> Option<ModulePath> {
        let (first, rest) = used.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => {
                let above = &module[..module.len().checked_sub(1)?];
                let nested = rest.first().is_some_and(|next| next == "super");
                return match nested {
                    true => self.absolute(above, rest),
                    false => Some([above, rest].concat()),
                };
            }
            name => match self.0.get(module)?.names.get(name) {
                Some(path) if path != used => self.absolute(module, path)?,
                _ => {
                    let below = [module, &[name.to_owned()]].concat();
                    self.0.contains_key(&below).then_some(below)?
                }
            },
        };
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module that defines what lies at a path. `None` for the module itself: naming it, in a
    /// `use`, imports nothing yet.
    fn origin(&self, path: ModulePath, depth: u32) -> Option<ModulePath> {
        let module = (0..path.len())
            .rev()
            .find(|end| self.0.contains_key(&path[..*end]))?;
        if self.0.contains_key(&path) || depth > 8 {
            return None;
        }
        let (at, name) = (&path[..module], &path[module]);
        let here = &self.0[at];
        if !here.items.contains(name) {
            for (passed_on, target) in &here.passed_on {
                let target = self.absolute(at, target);
                let found = match passed_on.as_str() {
                    "*" => target.map(|target| [target, vec![name.clone()]].concat()),
                    passed_on => target.filter(|_| passed_on == name),
                };
                if let Some(origin) = found.and_then(|found| self.origin(found, depth + 1))
                    && (passed_on != "*" || self.0[&origin].items.contains(name))
                {
                    return Some(origin);
                }
            }
        }
        Some(at.to_vec())
    }
}

/// Collects what a file says.
#[derive(Default)]
struct Reader {
    module: Module,
    children: Vec<String>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            self.module.items.extend(name(item));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        match &item.content {
            None => self.children.push(item.ident.to_string()),
            Some(_) => visit::visit_item_mod(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        let is_private = matches!(item.vis, Visibility::Inherited);
        for (name, path) in leaves {
            match is_private {
                true => drop(self.module.paths.insert(path.clone())),
                false => self.module.passed_on.push((name.clone(), path.clone())),
            }
            self.module.names.insert(name, path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments = segments.map(|segment| segment.ident.to_string());
        self.module.paths.insert(segments.collect());
        visit::visit_path(self, path);
    }
}

fn flatten(tree: &UseTree, before: &mut ModulePath, leaves: &mut Vec<(String, ModulePath)>) {
    let mut leaf = |name: String, last: Option<String>| {
        leaves.push((name, before.iter().cloned().chain(last).collect()));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaf(before.last().cloned().unwrap_or_default(), None);
        }
        UseTree::Name(name) => leaf(name.ident.to_string(), Some(name.ident.to_string())),
        UseTree::Rename(name) => leaf(name.rename.to_string(), Some(name.ident.to_string())),
        UseTree::Glob(_) => leaf("*".to_owned(), None),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, leaves);
            }
        }
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether it is there for tests, or for bindings that only tests and commands write.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list().ok();
        list.is_some_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}
