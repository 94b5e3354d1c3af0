//! `cargo xtask links`: a link between the Markdown files of the repository leads to a file that is there, and to a
//! heading that is in it. Addresses on the network are not visited: CI does not depend on other people's servers.

use crate::{paths, shell};
use anyhow::{Context, Result, bail};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    let root = paths::root();
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.md"];
    let files = shell::output(Command::new("git").args(listed).current_dir(&root))?;
    let mut pages = HashMap::new();
    for file in files.lines().filter(|file| root.join(file).is_file()) {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("cannot read `{file}`"))?;
        pages.insert(PathBuf::from(file), Page::parse(&text));
    }
    if pages.is_empty() {
        bail!("git lists no Markdown file");
    }
    let mut links = 0;
    let mut broken = Vec::new();
    for (file, page) in &pages {
        for link in &page.links {
            links += 1;
            if let Err(why) = follow(file, link, &pages, &root) {
                broken.push(format!("{}: `{link}`: {why}", file.display()));
            }
        }
    }
    broken.sort();
    for line in &broken {
        eprintln!("{line}");
    }
    if !broken.is_empty() {
        bail!("{} of {links} links lead nowhere", broken.len());
    }
    println!("links: {links} links in {} Markdown files lead somewhere", pages.len());
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// Local ones only.
    links: Vec<String>,
    /// As GitHub names them.
    headings: Vec<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let (mut links, mut headings) = (Vec::new(), Vec::new());
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. })
                    if !dest_url.contains("://") && !dest_url.starts_with("mailto:") =>
                {
                    links.push(dest_url.to_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => headings.extend(heading.take().map(|text| anchor(&text))),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        Self { links, headings }
    }
}

/// GitHub's name of a heading: lower case, punctuation dropped, spaces to hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn follow(from: &Path, link: &str, pages: &HashMap<PathBuf, Page>, root: &Path) -> Result<()> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let to = if path.is_empty() { from.to_path_buf() } else { join(from.parent().unwrap_or(from), path)? };
    if !root.join(&to).exists() {
        bail!("there is no `{}`", to.display());
    }
    if let Some(page) = pages.get(&to).filter(|_| !heading.is_empty())
        && !page.headings.iter().any(|known| known == heading)
    {
        bail!("`{}` has no heading `#{heading}`, but {:?}", to.display(), page.headings);
    }
    Ok(())
}

/// Joins without touching the disk, so that `..` cannot leave the repository.
fn join(folder: &Path, link: &str) -> Result<PathBuf> {
    let mut path = if link.starts_with('/') { PathBuf::new() } else { folder.to_path_buf() };
    for part in Path::new(link.trim_start_matches('/')).components() {
        match part {
            Component::ParentDir if !path.pop() => bail!("it leaves the repository"),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_of_a_page() {
        let text = "# The `gate`, a map!\n[a](docs/a.md) [out](https://example.com) `[no](x)`\n\n| t |\n|---|\n| [b](b.md#c) |\n";
        let page = Page::parse(text);
        assert_eq!(page.links, ["docs/a.md", "b.md#c"]);
        assert_eq!(page.headings, ["the-gate-a-map"]);
    }

    #[test]
    fn where_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        for file in ["README.md", "docs/a.md"] {
            fs::write(folder.path().join(file), "# One thing").unwrap();
        }
        let pages = ["README.md", "docs/a.md"]
            .map(|file| (PathBuf::from(file), Page { links: vec![], headings: vec!["one-thing".into()] }))
            .into();
        for (from, link, good) in [
            ("README.md", "docs/a.md", true),
            ("README.md", "docs/", true),
            ("README.md", "#one-thing", true),
            ("docs/a.md", "../README.md#one-thing", true),
            ("docs/a.md", "/README.md", true),
            ("docs/a.md", "README.md", false),
            ("docs/a.md", "../../README.md", false),
            ("docs/a.md", "../README.md#two-things", false),
        ] {
            let followed = follow(Path::new(from), link, &pages, folder.path());
            println!("{from} {link} -> {followed:?}");
            assert_eq!(followed.is_ok(), good, "{from} {link}");
        }
    }
}
