//! From the laws and the tables of a kind to what is asked.

use crate::problem::meant::kind::Kind;
use crate::problem::meant::law::Law;
use crate::problem::meant::model::Dynamics;
use crate::problem::meant::task::{Bridge, Control, Reverse, Sample, Simulate, Task};
use crate::problem::read::objective::{Ends, read_cost, read_events, read_path};
use crate::problem::read::roles::{DataSource, Sections, read_prior};
use crate::problem::text::document::Table;
use crate::problem::text::reader::Reader;

/// What the tables say about the state, the process and the laws.
pub(crate) struct Statement {
    pub names: Option<Vec<String>>,
    pub control_names: Vec<String>,
    pub control_bounds: Option<Vec<(f64, f64)>>,
    /// In the order of [`Sections::roles`].
    pub laws: Vec<Option<Law>>,
    pub dynamics: Option<Dynamics>,
    pub horizon: (f64, f64),
    pub ends: Ends,
}

/// What is asked, from the laws and the tables of the kind.
pub(crate) fn read_task(
    reader: &mut Reader,
    root: &Table,
    sections: &Sections<'_>,
    source: DataSource<'_>,
    kind: Kind,
    statement: &mut Statement,
    dynamics: Option<&Dynamics>,
) -> Option<Task> {
    let mut laws = std::mem::take(&mut statement.laws).into_iter();
    let mut law = || laws.next().flatten();
    match kind {
        Kind::Reverse | Kind::Sample => {
            let data = law();
            let prior = read_prior(reader, sections, source, dynamics, data.as_ref());
            let (data, prior) = (data?, prior?);
            Some(if kind == Kind::Reverse {
                Task::Reverse(Reverse { data, prior })
            } else {
                Task::Sample(Sample {
                    target: data,
                    prior,
                })
            })
        }
        Kind::Control => {
            let initial = law();
            let bounded = sections.dynamics.has("control_bounds");
            // Without a control the cost would only give follow-ups.
            let cost = if sections.cost.is_present() && !statement.control_names.is_empty() {
                read_cost(reader, &sections.cost, bounded)
            } else {
                None
            };
            let events = read_events(reader, root);
            Some(Task::Control(Control {
                initial: initial?,
                cost: cost?,
                events,
            }))
        }
        Kind::Bridge => {
            let (source, target) = (law(), law());
            Some(Task::Bridge(Bridge {
                source: source?,
                target: target?,
            }))
        }
        Kind::Path => {
            let ends = std::mem::replace(
                &mut statement.ends,
                Ends {
                    from: None,
                    to: None,
                },
            );
            read_path(reader, &sections.path, ends, dynamics).map(Task::Path)
        }
        Kind::Simulate => {
            let initial = law();
            let events = read_events(reader, root);
            Some(Task::Simulate(Simulate {
                initial: initial?,
                events,
            }))
        }
    }
}
