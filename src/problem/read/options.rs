//! Reads the options of a method, and the sizes of a field family, against a card.

use crate::problem::format::key::{Coordinates, Form, Key};
use crate::problem::meant::options::{FieldSpec, Options, Setting};
use crate::problem::meant::setup::Setup;
use crate::problem::text::diagnostic::Diagnostic;
use crate::problem::text::document::{Node, Table, Value};
use crate::problem::text::reader::{Reader, Section};
use crate::problem::text::resolved::{float, quote};
use crate::problem::text::suggest::did_you_mean;

/// The options that apply, each given or at its default, and recorded.
pub(crate) fn read_options(
    reader: &mut Reader,
    section: &Section<'_>,
    keys: &'static [Key],
    setup: &Setup<'_>,
) -> Options {
    let mut options = Options::default();
    for key in keys {
        if !(key.when)(setup, &options) {
            continue;
        }
        let entry = section.take(key.name);
        let place = format!("{}.{}", section.name, key.name);
        let given = entry.and_then(|entry| read_option(reader, &entry.node, key, &place, setup));
        let setting = given.or_else(|| default(key, setup, &options));
        match (entry, &setting) {
            // A field is written out with all its sizes.
            (Some(entry), _) if !matches!(key.form, Form::Field(_)) => {
                reader.record_entry(section, entry);
            }
            (_, Some(setting)) => reader.record(section, key.name, text_of(setting)),
            (_, None) => {}
        }
        if let Some(setting) = setting {
            options.set(key.name, setting);
        }
    }
    reader.charge_options(section, &options, setup.dimension);
    options
}

/// Points come from `[grid]` before they come from the method.
fn default(key: &Key, setup: &Setup<'_>, options: &Options) -> Option<Setting> {
    match (key.form, &setup.grid.points) {
        (Form::Counts(_), Some(points)) => Some(Setting::Counts(points.clone())),
        _ => key.default.setting(setup, options),
    }
}

fn read_option(
    reader: &mut Reader,
    node: &Node,
    key: &Key,
    place: &str,
    setup: &Setup<'_>,
) -> Option<Setting> {
    match key.form {
        Form::Count(least) => reader.whole_number(node, place, least).map(Setting::Count),
        Form::Counts(_) => reader
            .points_at(node, place, setup.dimension)
            .map(Setting::Counts),
        Form::Layers => reader
            .whole_numbers(node, place, "one width per layer")
            .map(Setting::Counts),
        Form::Number(bound) => {
            let value = reader.number_at(node, place)?;
            let value = reader.bounded(node, place, value, bound)?;
            Some(Setting::Number(value))
        }
        Form::Choice(names) => {
            let names = reader.vocabulary.names(names);
            reader.choice_at(node, place, &names).map(Setting::Name)
        }
        Form::Field(coordinates) => {
            read_field(reader, node, coordinates, setup).map(Setting::Field)
        }
        _ => reader.text_at(node, place).map(Setting::Text),
    }
}

/// `"rbf"` or `{ family = "rbf", centers = 200, time = "nodes", nodes = 24 }`.
fn read_field(
    reader: &mut Reader,
    node: &Node,
    coordinates: Coordinates,
    setup: &Setup<'_>,
) -> Option<FieldSpec> {
    let empty = Table::default();
    let (family, table) = match &node.value {
        Value::Table(table) => (table.get("family").map(|entry| &entry.node), table),
        _ => (Some(node), &empty),
    };
    let Some((family, Value::Text(name))) = family.map(|node| (node, &node.value)) else {
        reader.push(
            Diagnostic::error(
                "E012",
                node.span.clone(),
                "`solver.field` must name a family".to_owned(),
            )
            .help("write field = { family = \"rbf\", centers = 200, nodes = 24 }"),
        );
        return None;
    };
    let cards = reader.vocabulary.families.clone();
    let names: Vec<&'static str> = cards.iter().map(|card| card.name).collect();
    let name = reader.named_choice(family, name, "solver.field.family", &names)?;
    let card = cards.into_iter().find(|card| card.name == name)?;
    check_field_keys(reader, table, card.name, card.options)?;
    let together = coordinates == Coordinates::Together;
    if let (Some(most), true) = (card.most_states, together)
        && setup.dimension > most
    {
        let message = format!(
            "field family `{name}` is for one or two states; this problem has {}",
            setup.dimension
        );
        reader.push(Diagnostic::error("E205", family.span.clone(), message));
        return None;
    }
    let mut options = Options::default();
    for key in card.options {
        let setting = match table.get(key.name) {
            Some(entry) => {
                let place = format!("solver.field.{}", key.name);
                read_option(reader, &entry.node, key, &place, setup)?
            }
            None => key.default.setting(setup, &options)?,
        };
        options.set(key.name, setting);
    }
    Some(FieldSpec {
        family: card.name,
        options,
    })
}

fn check_field_keys(
    reader: &mut Reader,
    table: &Table,
    family: &str,
    keys: &'static [Key],
) -> Option<()> {
    let names = keys.iter().map(|key| key.name);
    let valid: Vec<&str> = ["family"].into_iter().chain(names).collect();
    let mut good = Some(());
    for entry in &table.entries {
        if !valid.contains(&entry.key.as_str()) {
            good = None;
            let message = format!("unknown key `{}` in field `{family}`", entry.key);
            let diagnostic = Diagnostic::error("E021", entry.key_span.clone(), message)
                .note(format!("valid here: {}", valid.join(", ")));
            reader.push(diagnostic.hint(did_you_mean(&entry.key, valid.iter().copied())));
        }
    }
    good
}

/// The TOML text of a setting.
fn text_of(setting: &Setting) -> String {
    match setting {
        Setting::Count(value) => value.to_string(),
        Setting::Number(value) => float(*value),
        Setting::Name(name) => quote(name),
        Setting::Counts(values) => format!("{values:?}"),
        Setting::Text(text) => quote(text),
        Setting::Field(field) => {
            let options = field.options.iter();
            let sizes: Vec<String> = options
                .map(|(key, setting)| format!(", {key} = {}", text_of(setting)))
                .collect();
            format!("{{ family = {}{} }}", quote(field.family), sizes.concat())
        }
    }
}
