//! The field families a problem file can name.

use crate::discretization::noising::Noising;
use crate::field::affine::Affine;
use crate::field::chebyshev::Chebyshev;
use crate::field::mixture_potential::MixturePotential;
use crate::field::network::Network;
use crate::field::noised_mixture::NoisedMixture;
use crate::field::rbf::RadialBasis;
use crate::field::time_nodes::{Basis, NodeField, TimeNodes};
use crate::field::{Differentiable, FieldFamily, ScoreFamily};
use crate::numeric::random::{Stream, Streams};
use crate::problem::meant::model::FieldSpec;

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
        if let FieldSpec::Mixture { components } = spec {
            let stream = streams.role("mixture-start");
            let start = noising.start();
            let field = MixturePotential::from_draws(law, start, *components, &stream);
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
        Ok(match spec {
            FieldSpec::Affine { .. } => Self::Affine(started(
                NodeField::new(Affine::new(dimension), nodes),
                &Affine::standard(dimension),
            )),
            FieldSpec::Rbf { centers, .. } => {
                let stream = streams.role("rbf-centres");
                let pool = pool(&nodes, &stream);
                let basis = RadialBasis::from_pool(dimension, &pool, *centers, &stream);
                let standard = basis.standard();
                Self::Radial(started(NodeField::new(basis, nodes), &standard))
            }
            FieldSpec::Chebyshev { degree, .. } => {
                if dimension > 2 {
                    return Err(FamilyError::TooManyStates(dimension));
                }
                let basis = Chebyshev::new(dimension, *degree);
                let standard = basis.standard();
                Self::Chebyshev(started(NodeField::new(basis, nodes), &standard))
            }
            FieldSpec::Network { layers } => {
                let stream = streams.role("network-start");
                Self::Network(Network::new(dimension, nodes, layers, &stream))
            }
            FieldSpec::Mixture { .. } => return Err(FamilyError::NoTransition),
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
    match spec {
        FieldSpec::Affine { nodes }
        | FieldSpec::Rbf { nodes, .. }
        | FieldSpec::Chebyshev { nodes, .. } => *nodes,
        FieldSpec::Mixture { .. } => 1,
        FieldSpec::Network { .. } => NETWORK_NODES,
    }
}

/// Every node starts from the same coefficients.
fn started<B: Basis>(mut field: NodeField<B>, coefficients: &[f64]) -> NodeField<B> {
    let theta = coefficients.repeat(field.nodes().count());
    field.set_parameters(&theta);
    field
}
