//! The field families a problem file can name.

use crate::discretization::noising::Noising;
use crate::field::affine::{self, Affine};
use crate::field::chebyshev::{self, Chebyshev};
use crate::field::mixture_potential::{self, MixturePotential};
use crate::field::network::{self, Network};
use crate::field::noised_mixture::NoisedMixture;
use crate::field::rbf::{self, RadialBasis};
use crate::field::time_nodes::{Basis, NodeField, TimeNodes};
use crate::field::{Differentiable, FieldFamily, ScoreFamily};
use crate::numeric::random::{Stream, Streams};
use crate::problem::format::card::FieldCard;
use crate::problem::meant::options::FieldSpec;

/// The families of this version.
pub static FAMILIES: &[&FieldCard] = &[
    &affine::CARD,
    &rbf::CARD,
    &mixture_potential::CARD,
    &chebyshev::CARD,
    &network::CARD,
];

/// A family and its sizes in a few words.
pub fn field_text(spec: &FieldSpec) -> String {
    let card = FAMILIES.iter().find(|card| card.name == spec.family);
    card.map_or(spec.family.to_owned(), |card| {
        (card.settings)(&spec.options)
    })
}

/// A parametrised score of one of the known families.
#[derive(Clone, Debug)]
pub enum Family {
    Affine(NodeField<Affine>),
    Radial(NodeField<RadialBasis>),
    Chebyshev(NodeField<Chebyshev>),
    Mixture(MixturePotential),
    Network(Network),
}

/// Why a family cannot represent the score of a problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FamilyError {
    #[error("chebyshev fields are for one or two states, not {0}")]
    TooManyStates(usize),
    #[error(
        "a mixture field is carried by the Gaussian transition, which needs a drift affine in the state"
    )]
    NoTransition,
}

impl Family {
    /// The family at its starting point, which knows the first two moments of the noised law and, for
    /// `rbf` and `mixture`, where its mass lies.
    pub fn new(
        spec: &FieldSpec,
        noising: &Noising,
        law: &NoisedMixture,
        t_min: f64,
        streams: &Streams,
    ) -> Result<Self, FamilyError> {
        if spec.family == mixture_potential::CARD.name {
            let components = spec.options.count("components");
            let stream = streams.role("mixture-start");
            let start = noising.start();
            let field = MixturePotential::from_draws(law, start, components, &stream);
            return Ok(Self::Mixture(field));
        }
        let nodes = TimeNodes::new(noising, law, t_min, spec_nodes(spec));
        Self::on_nodes(
            spec,
            noising.dimension(),
            nodes,
            streams,
            |nodes, stream| RadialBasis::pool_of(noising, law, nodes, stream),
        )
    }

    /// A family with time nodes whose whitening is given; `pool` supplies whitened points of the noised
    /// law where centres are wanted.
    pub fn on_nodes(
        spec: &FieldSpec,
        dimension: usize,
        nodes: TimeNodes,
        streams: &Streams,
        pool: impl FnOnce(&TimeNodes, &Stream) -> Vec<Vec<f64>>,
    ) -> Result<Self, FamilyError> {
        let options = &spec.options;
        Ok(match spec.family {
            "affine" => Self::Affine(started(Affine::new(dimension), nodes)),
            "rbf" => {
                let stream = streams.role("rbf-centres");
                let pool = pool(&nodes, &stream);
                let basis =
                    RadialBasis::from_pool(dimension, &pool, options.count("centers"), &stream);
                Self::Radial(started(basis, nodes))
            }
            "chebyshev" if dimension > 2 => {
                return Err(FamilyError::TooManyStates(dimension));
            }
            "chebyshev" => Self::Chebyshev(started(
                Chebyshev::new(dimension, options.count("degree")),
                nodes,
            )),
            "network" => {
                let layers = options.counts("layers");
                let stream = streams.role("network-start");
                Self::Network(Network::new(dimension, nodes, &layers, &stream))
            }
            _ => return Err(FamilyError::NoTransition),
        })
    }

    pub fn get(&self) -> &dyn ScoreFamily {
        match self {
            Self::Affine(field) => field,
            Self::Radial(field) => field,
            Self::Chebyshev(field) => field,
            Self::Mixture(field) => field,
            Self::Network(field) => field,
        }
    }

    pub fn get_mut(&mut self) -> &mut dyn ScoreFamily {
        match self {
            Self::Affine(field) => field,
            Self::Radial(field) => field,
            Self::Chebyshev(field) => field,
            Self::Mixture(field) => field,
            Self::Network(field) => field,
        }
    }

    /// Tells the family at which times it will be asked over and over.
    pub fn prepare(&mut self, times: &[f64]) {
        if let Self::Mixture(field) = self {
            field.prepare(times);
        }
    }

    /// Positions of the parameters that are weights of components, if there are any.
    pub fn weights(&self) -> Vec<usize> {
        match self {
            Self::Mixture(field) => field.weights(),
            _ => Vec::new(),
        }
    }

    /// The score alone.
    pub fn into_score(self) -> Box<dyn Differentiable + Send> {
        match self {
            Self::Affine(field) => Box::new(field),
            Self::Radial(field) => Box::new(field),
            Self::Chebyshev(field) => Box::new(field),
            Self::Mixture(field) => Box::new(field),
            Self::Network(field) => Box::new(field),
        }
    }
}

/// Nodes of the table that whitens a network's input.
const NETWORK_NODES: usize = 24;

/// Time nodes of a family; one for a family without. A network has none, but its clock and its whitening do.
pub fn spec_nodes(spec: &FieldSpec) -> usize {
    match spec.family {
        "network" => NETWORK_NODES,
        _ if spec.options.has("nodes") => spec.options.count("nodes"),
        _ => 1,
    }
}

/// Every node starts from the standard coefficients.
fn started<B: Basis>(basis: B, nodes: TimeNodes) -> NodeField<B> {
    let theta = basis.standard().repeat(nodes.count());
    let mut field = NodeField::new(basis, nodes);
    field.set_parameters(&theta);
    field
}
