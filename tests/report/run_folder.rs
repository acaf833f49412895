//! The run folder of a realistic record: offline, well formed, complete, small.

use crate::fixture;
use onsager::report::events::{Event, EventLog};
use onsager::report::figures::drawings;
use onsager::report::html::page;
use onsager::report::json;
use onsager::report::place::Place;
use onsager::report::record::Record;
use onsager::report::run_folder::{Parts, write_run};
use onsager::report::terminal::{Style, summary};

fn html_of(record: &Record) -> String {
    page(record, &drawings(record)).expect("serializes")
}

/// The text between two marks.
fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let start = text.find(open).expect("opened") + open.len();
    &text[start..start + text[start..].find(close).expect("closed")]
}

/// Checks that every element is closed in order; `void` elements need no end.
fn assert_balanced(text: &str, void: &[&str]) {
    let mut open: Vec<&str> = Vec::new();
    for piece in text.split('<').skip(1) {
        let tag = piece.split('>').next().expect("a tag");
        if tag.starts_with('!') {
            continue;
        }
        let name = tag
            .trim_start_matches('/')
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in order: {open:?}");
        } else if !tag.ends_with('/') && !void.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0], "all closed");
}

#[test]
fn the_page_is_one_small_offline_file() {
    let html = html_of(&fixture::record());
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    for outside in [
        "http://", "https://", "<link", "@import", "url(http", "src=",
    ] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script type=\"application/json\""));
    assert!(html.contains("prefers-color-scheme"));
    let style_free = format!(
        "{}{}",
        &html[..html.find("<style>").expect("styled")],
        &html[html.find("</style>").expect("styled")..].replacen("</style>", "", 1)
    );
    assert_balanced(&style_free, &["meta", "br"]);
}

#[test]
fn sections_stand_in_their_order() {
    let html = html_of(&fixture::record());
    let places: Vec<usize> = [
        "statement",
        "derivation",
        "structure",
        "solvers",
        "verification",
        "figures",
        "limitations",
        "reproduce",
    ]
    .iter()
    .map(|id| html.find(&format!("<section id=\"{id}\"")).expect(id))
    .collect();
    assert!(places.is_sorted());
}

#[test]
fn equations_are_mathml_with_their_latex() {
    let html = html_of(&fixture::record());
    assert!(html.contains(r#"<math alttext="u^* = -G^\top \nabla V = G^\top \nabla \log p""#));
    let shown = html.matches("<math").count();
    assert_eq!(html.matches("alttext=").count(), shown);
    assert!(shown >= 9, "{shown}");
}

#[test]
fn verdicts_carry_a_word_and_a_symbol() {
    let html = html_of(&fixture::record());
    for shown in [
        "✓ 4 pass",
        "✗ 1 fail",
        "? 1 inconclusive",
        "– 1 skipped",
        "∎ 1 proved",
        "✗ fail",
        "? inconclusive",
        "about 16 times more paths",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn the_result_inside_the_page_is_the_result_file() {
    let record = fixture::record();
    let html = html_of(&record);
    let inside = between(&html, "id=\"result\">", "</script>");
    let inside: serde_json::Value = serde_json::from_str(inside).expect("JSON");
    let file: serde_json::Value =
        serde_json::from_str(&json::result(&record).expect("serializes")).expect("JSON");
    assert_eq!(inside, file);
    assert_eq!(inside["counts"]["pass"], 4);
    assert_eq!(inside["solvers"][1]["gap"]["value"], 0.0123);
}

#[test]
fn text_of_the_user_cannot_become_markup() {
    let mut record = fixture::record();
    let evil = "</script><script>alert(1)</script><!-- \"&";
    record.identity.title = evil.into();
    record.identity.text = evil.into();
    record.headline = evil.into();
    record.solvers[0].id = evil.into();
    record.figures.coordinates[0] = evil.into();
    let html = html_of(&record);
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("<!-- "));
}

#[test]
fn every_figure_has_finite_coordinates_and_closed_tags() {
    let drawings = drawings(&fixture::record());
    let names: Vec<&str> = drawings.iter().map(|d| d.name).collect();
    assert_eq!(
        names,
        [
            "samples",
            "field",
            "density",
            "paths",
            "paths-time",
            "control-error",
            "accuracy",
            "sample-quality",
            "convergence",
            "verification"
        ]
    );
    for drawing in &drawings {
        let svg = drawing.sheet.standalone(drawing.name);
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{}",
            drawing.name
        );
        assert_balanced(&svg, &[]);
    }
}

#[test]
fn captions_name_arrays_of_the_archive() {
    let record = fixture::record();
    let samples = &drawings(&record)[0];
    for array in &record.arrays {
        assert!(samples.caption.contains(&array.key), "{}", array.key);
    }
}

/// Kept under the target folder, to be opened in a browser.
#[test]
fn the_run_folder_is_complete() {
    let record = fixture::record();
    let mut events = EventLog::default();
    events.push(Event::start(&record));
    events.push(Event::end(&record));
    let parent = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = record.folder_name();
    let place = Place::reserve(parent, &name, &record.identity.digest).expect("writable");
    let folder = write_run(&record, &events, Parts::ALL, place).expect("writable");
    for name in [
        "problem.toml",
        "resolved.toml",
        "derivation.json",
        "events.jsonl",
        "result.json",
        "arrays.npz",
        "report.html",
        "plots/samples.svg",
        "plots/verification.svg",
    ] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    let text = summary(&record, Some(&folder), Style::PLAIN);
    assert!(text.contains("1 proved, 4 pass, 1 fail, 1 inconclusive, 1 skipped"));
    assert!(text.contains("report.html"));
}

#[test]
fn an_empty_record_still_has_a_page() {
    let record = Record {
        unverified: Some("checks were turned off".into()),
        ..Record::default()
    };
    let html = html_of(&record);
    assert!(html.contains("UNVERIFIED"));
    assert!(!html.contains("id=\"figures\""));
}
