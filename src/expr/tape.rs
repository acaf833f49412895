//! A register tape over blocks of points: what a kernel executes.

use super::evaluate::{call, maximum, minimum, power, sign};
use super::function::Function;
use crate::numeric::dispatch::{Kernel as Loop, multiply_add};
use crate::numeric::elementary;
use std::cell::Cell;

/// Points per block.
pub(super) const BLOCK: usize = 256;
/// Points handled together by one vector instruction (or a few).
pub(super) const LANES: usize = 8;
/// Lane groups per register.
pub(super) const GROUPS: usize = BLOCK / LANES;

pub(super) type Lane = [f64; LANES];
type Column<'a> = &'a [Cell<Lane>];

/// One operation. Conditions are 1 and 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    /// `a * b + c`
    MulAdd,
    /// `c - a * b`
    NegMulAdd,
    Sqrt,
    Power,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
    Not,
    /// `a != 0 ? b : c`
    Select,
    One(Function),
    Two(Function),
}

/// Where an operand comes from: one number for all points, or one per point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    /// A number per call.
    Slot(u32),
    /// A number per point. While lowering: a value; in a finished tape: a register.
    Column(u32),
}

/// `dest = op(a, b, c)`; operations of fewer operands repeat the last one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) dest: u32,
    pub(super) operands: [Operand; 3],
}

/// The operation on single numbers.
pub(super) fn apply(op: Op, [a, b, c]: [f64; 3]) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::MulAdd => a * b + c,
        Op::NegMulAdd => c - a * b,
        Op::Sqrt => a.sqrt(),
        Op::Power => power(a, b),
        Op::Less => f64::from(a < b),
        Op::LessOrEqual => f64::from(a <= b),
        Op::Equal => f64::from(a == b),
        Op::NotEqual => f64::from(a != b),
        Op::And => f64::from(a != 0.0 && b != 0.0),
        Op::Or => f64::from(a != 0.0 || b != 0.0),
        Op::Not => f64::from(a == 0.0),
        Op::Select => {
            if a != 0.0 {
                b
            } else {
                c
            }
        }
        Op::One(function) => call(function, &[a]),
        Op::Two(function) => call(function, &[a, b]),
    }
}

/// `c . x` over the inputs: inputs and what they are multiplied by.
pub(super) type Row = Vec<(u32, f64)>;

/// Lane groups for which a row is summed at a time: as many as registers hold.
const TOGETHER: usize = 4;

/// All steps on the points of one block.
pub(super) struct Block<'a> {
    /// Products with the inputs, summed before the steps into the registers after those of the inputs.
    pub(super) rows: &'a [Row],
    pub(super) inputs: usize,
    pub(super) steps: &'a [Step],
    pub(super) slots: &'a [f64],
    /// Registers, [`GROUPS`] lane groups each.
    pub(super) registers: &'a [Cell<Lane>],
    /// Lane groups in use.
    pub(super) groups: usize,
}

impl Loop for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.multiply::<FMA>();
        for step in self.steps {
            self.step::<FMA>(step);
        }
    }
}

impl<'a> Block<'a> {
    /// The rows, a few lane groups at a time, so that the inputs of those stay near.
    #[inline(always)]
    fn multiply<const FMA: bool>(&self) {
        let fused = multiply_add::<FMA>;
        let count = if self.rows.is_empty() { 0 } else { self.groups };
        for start in (0..count).step_by(TOGETHER) {
            for (row, terms) in self.rows.iter().enumerate() {
                let mut sums = [[0.0; LANES]; TOGETHER];
                for (input, factor) in terms {
                    let from = *input as usize * GROUPS + start;
                    let values = &self.registers[from..from + TOGETHER];
                    for (sum, value) in sums.iter_mut().zip(values) {
                        let value = value.get();
                        let lanes = sum.iter_mut().zip(&value);
                        lanes.for_each(|(sum, x)| *sum = fused(*x, *factor, *sum));
                    }
                }
                let to = (self.inputs + row) * GROUPS + start;
                for (cell, sum) in self.registers[to..to + TOGETHER].iter().zip(&sums) {
                    cell.set(*sum);
                }
            }
        }
    }

    #[inline(always)]
    fn column(&self, register: u32) -> Column<'a> {
        let start = register as usize * GROUPS;
        &self.registers[start..start + self.groups]
    }

    #[inline(always)]
    fn step<const FMA: bool>(&self, step: &Step) {
        use Operand::{Column as C, Slot as S};
        let column = |register: u32| self.column(register);
        let slot = |index: u32| self.slots[index as usize];
        let d = column(step.dest);
        let fused = multiply_add::<FMA>;
        match (step.op, step.operands) {
            (Op::Add, [C(a), C(b), _]) => two(d, column(a), column(b), |x, y| x + y),
            (Op::Add, [C(a), S(s), _]) => with(d, column(a), slot(s), |x, s| x + s),
            (Op::Sub, [C(a), C(b), _]) => two(d, column(a), column(b), |x, y| x - y),
            (Op::Sub, [S(s), C(a), _]) => with(d, column(a), slot(s), |x, s| s - x),
            (Op::Mul, [C(a), C(b), _]) => two(d, column(a), column(b), |x, y| x * y),
            (Op::Mul, [C(a), S(s), _]) => with(d, column(a), slot(s), |x, s| x * s),
            (Op::Div, [C(a), C(b), _]) => two(d, column(a), column(b), |x, y| x / y),
            (Op::Div, [S(s), C(a), _]) => with(d, column(a), slot(s), |x, s| s / x),
            (Op::MulAdd, [C(a), C(b), C(c)]) => {
                three(d, column(a), column(b), column(c), fused);
            }
            (Op::MulAdd, [C(a), S(s), C(c)]) => {
                let s = slot(s);
                two(d, column(a), column(c), |x, z| fused(x, s, z));
            }
            (Op::MulAdd, [C(a), C(b), S(s)]) => {
                let s = slot(s);
                two(d, column(a), column(b), |x, y| fused(x, y, s));
            }
            (Op::MulAdd, [C(a), S(s), S(k)]) => {
                let k = slot(k);
                with(d, column(a), slot(s), |x, s| fused(x, s, k));
            }
            (Op::NegMulAdd, [C(a), C(b), C(c)]) => {
                three(d, column(a), column(b), column(c), |x, y, z| {
                    fused(-x, y, z)
                });
            }
            (Op::One(function), [C(a), ..]) => one_argument::<FMA>(function, d, column(a)),
            (Op::Sqrt, [C(a), ..]) => one(d, column(a), f64::sqrt),
            (Op::Two(Function::Max), [C(a), C(b), _]) => two(d, column(a), column(b), maximum),
            (Op::Two(Function::Max), [C(a), S(s), _]) => with(d, column(a), slot(s), maximum),
            (Op::Two(Function::Min), [C(a), C(b), _]) => two(d, column(a), column(b), minimum),
            (Op::Two(Function::Min), [C(a), S(s), _]) => with(d, column(a), slot(s), minimum),
            (Op::Select, [C(a), C(b), C(c)]) => {
                three(d, column(a), column(b), column(c), |x, y, z| {
                    if x != 0.0 { y } else { z }
                });
            }
            (op, operands) => {
                let load = |operand: Operand, group: usize| match operand {
                    C(register) => column(register)[group].get(),
                    S(index) => [slot(index); LANES],
                };
                for (group, d) in d.iter().enumerate() {
                    let [x, y, z] = operands.map(|operand| load(operand, group));
                    general(op, d, &x, &y, &z);
                }
            }
        }
    }
}

/// Operations that are rare or have operands of any kind.
#[inline(always)]
fn general(op: Op, d: &Cell<Lane>, x: &Lane, y: &Lane, z: &Lane) {
    let mut out = [0.0; LANES];
    let lanes = out.iter_mut().zip(x).zip(y).zip(z);
    match op {
        Op::Less => lanes.for_each(|(((o, x), y), _)| *o = if x < y { 1.0 } else { 0.0 }),
        Op::LessOrEqual => lanes.for_each(|(((o, x), y), _)| *o = if x <= y { 1.0 } else { 0.0 }),
        Op::Select => lanes.for_each(|(((o, x), y), z)| *o = if *x != 0.0 { *y } else { *z }),
        _ => lanes.for_each(|(((o, x), y), z)| *o = apply(op, [*x, *y, *z])),
    }
    d.set(out);
}

#[inline(always)]
fn one_argument<const FMA: bool>(function: Function, d: Column<'_>, a: Column<'_>) {
    match function {
        Function::Exp => one(d, a, elementary::exp::<FMA>),
        Function::Log => one(d, a, elementary::log::<FMA>),
        Function::Tanh => one(d, a, elementary::tanh::<FMA>),
        Function::Sigmoid => one(d, a, sigmoid::<FMA>),
        Function::Softplus => one(d, a, softplus::<FMA>),
        Function::Abs => one(d, a, f64::abs),
        Function::Sign => one(d, a, sign),
        Function::Sin => whole(d, a, elementary::sin_in_place),
        Function::Cos => whole(d, a, elementary::cos_in_place),
        _ => one(d, a, |x| call(function, &[x])),
    }
}

#[inline(always)]
fn sigmoid<const FMA: bool>(x: f64) -> f64 {
    let small = elementary::exp::<FMA>(-x.abs());
    let top = if x >= 0.0 { 1.0 } else { small };
    top / (1.0 + small)
}

#[inline(always)]
fn softplus<const FMA: bool>(x: f64) -> f64 {
    let small = elementary::exp::<FMA>(-x.abs());
    let sum = 1.0 + small;
    // log(1 + s) with the rounding of 1 + s undone to first order.
    let log = elementary::log::<FMA>(sum) * small / (sum - 1.0);
    let log = if sum == 1.0 { small } else { log };
    maximum(x, 0.0) + log
}

// A destination may be one of the sources: a lane group is read before it is written.

#[inline(always)]
fn one(d: Column<'_>, a: Column<'_>, f: impl Fn(f64) -> f64) {
    for (d, a) in d.iter().zip(a) {
        let mut out = a.get();
        out.iter_mut().for_each(|x| *x = f(*x));
        d.set(out);
    }
}

#[inline(always)]
fn with(d: Column<'_>, a: Column<'_>, s: f64, f: impl Fn(f64, f64) -> f64) {
    one(d, a, |x| f(x, s));
}

#[inline(always)]
fn two(d: Column<'_>, a: Column<'_>, b: Column<'_>, f: impl Fn(f64, f64) -> f64) {
    for ((d, a), b) in d.iter().zip(a).zip(b) {
        let (mut out, y) = (a.get(), b.get());
        out.iter_mut().zip(&y).for_each(|(x, y)| *x = f(*x, *y));
        d.set(out);
    }
}

#[inline(always)]
fn three(
    d: Column<'_>,
    a: Column<'_>,
    b: Column<'_>,
    c: Column<'_>,
    f: impl Fn(f64, f64, f64) -> f64,
) {
    for (((d, a), b), c) in d.iter().zip(a).zip(b).zip(c) {
        let (mut out, y, z) = (a.get(), b.get(), c.get());
        let others = y.iter().zip(&z);
        out.iter_mut()
            .zip(others)
            .for_each(|(x, (y, z))| *x = f(*x, *y, *z));
        d.set(out);
    }
}

/// A function of whole slices.
fn whole(d: Column<'_>, a: Column<'_>, f: impl Fn(&mut [f64])) {
    let mut buffer = [[0.0; LANES]; GROUPS];
    for (group, a) in buffer.iter_mut().zip(a) {
        *group = a.get();
    }
    f(buffer[..a.len()].as_flattened_mut());
    for (d, group) in d.iter().zip(&buffer) {
        d.set(*group);
    }
}
