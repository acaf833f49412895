//! Compiled expressions on blocks of points.

use super::graph::{Expr, Graph};
use super::lower::{Tape, lower};
use super::tape::{BLOCK, Block, GROUPS, LANES, Lane, Operand, apply};
use crate::numeric::batch::{BatchMut, BatchRef};
use crate::numeric::dispatch::Isa;
use crate::numeric::time_limit::look;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use thiserror::Error;

/// Why an expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CompileError {
    #[error("the value of {names:?} is not known (inputs are {inputs:?})")]
    FreeSymbols {
        names: Vec<String>,
        inputs: Vec<String>,
    },
    #[error("unknown functions cannot be evaluated: {names:?}")]
    UnknownFunctions { names: Vec<String> },
}

/// A batch evaluator of several outputs as functions of time and state.
///
/// Common subexpressions are evaluated once, those that depend on time alone once per call. Outside the
/// real domain (`log(-1)`, `sqrt(-1)`) a value is NaN; `if` selects, so a branch that is not taken cannot
/// spoil the one that is. Elementary functions are accurate to a few units in the last place.
///
/// The value at a point does not depend on the other points of the batch. Between machines it may differ
/// in the last places: hardware with fused multiply-add uses it.
#[derive(Clone, Debug)]
pub struct Kernel {
    tape: Arc<Tape>,
    inputs: usize,
}

thread_local! {
    /// Slots and registers, kept between calls.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    slots: Vec<f64>,
    registers: Vec<f64>,
}

impl Kernel {
    /// Compiles `outputs` as functions of the symbols `time` and `state`.
    ///
    /// # Errors
    /// Other free symbols, and unknown functions, by name.
    pub fn compile(
        graph: &Graph,
        outputs: &[Expr],
        time: Expr,
        state: &[Expr],
    ) -> Result<Self, CompileError> {
        let name = |e: &Expr| graph.text(*e);
        let unknowns = graph.unknowns(outputs);
        if !unknowns.is_empty() {
            let names = unknowns.iter().map(name).collect();
            return Err(CompileError::UnknownFunctions { names });
        }
        let mut free = graph.symbols(outputs);
        free.retain(|e| *e != time && !state.contains(e));
        if !free.is_empty() {
            let inputs = std::iter::once(&time).chain(state);
            return Err(CompileError::FreeSymbols {
                names: free.iter().map(name).collect(),
                inputs: inputs.map(name).collect(),
            });
        }
        Ok(Self {
            tape: Arc::new(lower(graph, outputs, time, state)),
            inputs: state.len(),
        })
    }

    /// Components of a point.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns of the result.
    pub fn outputs(&self) -> usize {
        self.tape.outputs.len()
    }

    /// Operations per point, a measure of cost for work counters.
    pub fn operations(&self) -> usize {
        self.tape.per_point.len() + self.tape.rows.iter().map(Vec::len).sum::<usize>()
    }

    /// Evaluates all outputs at time `t` for every point of `x` (points x inputs) into `out`
    /// (points x outputs).
    ///
    /// Panics if the shapes do not fit.
    pub fn eval(&self, t: f64, x: BatchRef<'_>, out: BatchMut<'_>) {
        self.eval_with(Isa::detected(), t, x, out);
    }

    /// As [`Self::eval`] with a given instruction set (or the widest present, if that is less).
    pub fn eval_with(&self, isa: Isa, t: f64, x: BatchRef<'_>, mut out: BatchMut<'_>) {
        assert_eq!(x.columns(), self.inputs, "one column per state component");
        assert_eq!(out.columns(), self.outputs(), "one column per output");
        assert_eq!(x.points(), out.points(), "as many results as points");
        look();
        // Taken, not borrowed, so that a kernel evaluated inside another's evaluation gets its own.
        let mut scratch = SCRATCH.take();
        self.prepare(&mut scratch, t);
        let offset = scratch.registers.as_ptr().align_offset(64).min(LANES);
        let (registers, _) = scratch.registers[offset..].as_chunks_mut::<LANES>();
        let registers = Cell::from_mut(registers).as_slice_of_cells();
        for start in (0..x.points()).step_by(BLOCK) {
            let end = (start + BLOCK).min(x.points());
            self.load(&x, start..end, registers);
            isa.run(Block {
                rows: &self.tape.rows,
                inputs: self.inputs,
                steps: &self.tape.per_point,
                slots: &scratch.slots,
                registers,
                groups: (end - start).div_ceil(LANES),
            });
            self.store(&mut out, start..end, registers, &scratch.slots);
        }
        SCRATCH.replace(scratch);
    }

    /// One point, for callers that have no batch.
    pub fn eval_point(&self, t: f64, x: &[f64], out: &mut [f64]) {
        assert_eq!(out.len(), self.outputs(), "one entry per output");
        let outputs = out.len();
        self.eval(
            t,
            BatchRef::new(x, 1, x.len(), 1),
            BatchMut::new(out, 1, outputs, 1),
        );
    }

    fn prepare(&self, scratch: &mut Scratch, t: f64) {
        let slots = &mut scratch.slots;
        slots.clear();
        slots.extend_from_slice(&self.tape.slots);
        slots[0] = t;
        for step in &self.tape.per_call {
            let operands = step.operands.map(|operand| match operand {
                Operand::Slot(i) => slots[i as usize],
                Operand::Column(_) => unreachable!("steps per call read slots only"),
            });
            slots[step.dest as usize] = apply(step.op, operands);
        }
        // Room to start at a cache line.
        let needed = self.tape.registers * BLOCK + LANES;
        if scratch.registers.len() < needed {
            scratch.registers.resize(needed, 0.0);
        }
    }

    fn load(&self, x: &BatchRef<'_>, range: std::ops::Range<usize>, registers: &[Cell<Lane>]) {
        for j in 0..self.inputs {
            let column = &x.column(j)[range.clone()];
            for (cell, values) in registers[j * GROUPS..].iter().zip(column.chunks(LANES)) {
                let mut lane = [0.0; LANES];
                // Lanes beyond the last point repeat it: their values are discarded.
                lane.fill(values[values.len() - 1]);
                lane[..values.len()].copy_from_slice(values);
                cell.set(lane);
            }
        }
    }

    fn store(
        &self,
        out: &mut BatchMut<'_>,
        range: std::ops::Range<usize>,
        registers: &[Cell<Lane>],
        slots: &[f64],
    ) {
        for (j, output) in self.tape.outputs.iter().enumerate() {
            let column = &mut out.column_mut(j)[range.clone()];
            match output {
                Operand::Slot(i) => column.fill(slots[*i as usize]),
                Operand::Column(register) => {
                    let cells = &registers[*register as usize * GROUPS..];
                    for (values, cell) in column.chunks_mut(LANES).zip(cells) {
                        values.copy_from_slice(&cell.get()[..values.len()]);
                    }
                }
            }
        }
    }
}
