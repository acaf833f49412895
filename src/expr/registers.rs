//! Order of the steps of a tape, and registers for their values.

use super::tape::{Operand, Step};
use rustc_hash::FxHashMap;

/// Post-order from the outputs; value `inputs + i` is made by `steps[i]`.
pub(super) fn schedule(steps: &[Step], outputs: &[Operand], inputs: usize) -> Vec<Step> {
    let mut done = vec![false; steps.len()];
    let mut ordered = Vec::new();
    for output in outputs {
        let mut open: Vec<(u32, bool)> = match output {
            Operand::Column(c) => vec![(*c, false)],
            Operand::Slot(_) => continue,
        };
        while let Some((column, ready)) = open.pop() {
            let Some(i) = (column as usize).checked_sub(inputs).filter(|i| !done[*i]) else {
                continue;
            };
            if ready {
                done[i] = true;
                ordered.push(steps[i]);
                continue;
            }
            open.push((column, true));
            // The accumulator (last operand) is pushed last, so it is finished first.
            for operand in steps[i].operands {
                if let Operand::Column(c) = operand {
                    open.push((c, false));
                }
            }
        }
    }
    ordered
}

/// Renames values to registers, reusing each register after the last reading of its value.
pub(super) fn assign(
    mut steps: Vec<Step>,
    mut outputs: Vec<Operand>,
    inputs: usize,
) -> (Vec<Step>, usize, Vec<Operand>) {
    let mut last_use: FxHashMap<u32, usize> = FxHashMap::default();
    for (i, step) in steps.iter().enumerate() {
        for operand in step.operands {
            if let Operand::Column(c) = operand {
                last_use.insert(c, i);
            }
        }
    }
    for output in &outputs {
        if let Operand::Column(c) = output {
            last_use.insert(*c, usize::MAX);
        }
    }
    let mut home: FxHashMap<u32, u32> = (0..).take(inputs).map(|i| (i, i)).collect();
    let mut free: Vec<u32> = Vec::new();
    let mut registers = u32::try_from(inputs).expect("fewer than 2^32 inputs");
    for (i, step) in steps.iter_mut().enumerate() {
        let mut dying: Vec<u32> = Vec::new();
        for operand in &mut step.operands {
            if let Operand::Column(c) = operand {
                if last_use[c] == i && !dying.contains(c) {
                    dying.push(*c);
                }
                *operand = Operand::Column(home[c]);
            }
        }
        free.extend(dying.iter().map(|c| home[c]));
        let register = free.pop().unwrap_or_else(|| {
            registers += 1;
            registers - 1
        });
        home.insert(step.dest, register);
        step.dest = register;
    }
    for output in &mut outputs {
        if let Operand::Column(c) = output {
            *output = Operand::Column(home[c]);
        }
    }
    (steps, registers as usize, outputs)
}
